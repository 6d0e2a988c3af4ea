// The login page: the reader's choice of light or dark, and the part of the address after # that a server never sees.
let dark = null;
try {
  dark = JSON.parse(localStorage.getItem('footnote.theme'));
} catch {
  // A browser that keeps nothing: then it is as the system is.
}
if (typeof dark !== 'boolean') dark = matchMedia('(prefers-color-scheme: dark)').matches;
document.documentElement.classList.toggle('dark', dark);
document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
document.addEventListener('DOMContentLoaded', () => {
  const next = document.querySelector('input[name="next"]');
  if (location.hash && !next.value.includes('#')) next.value += location.hash;
});

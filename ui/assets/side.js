// The side panel: a click on a link of ours anywhere on the page asks the server for what it leads to.
// Listening at the document survives every redrawing of the conversation.
const root = element;
const side = document.getElementById('fn-side');
let opener = null;

function close() {
  side.classList.remove('open');
  if (opener && document.contains(opener)) opener.focus();
}

document.addEventListener('click', (event) => {
  const link = event.target.closest && event.target.closest('a[href^="#"]');
  if (!link) return;
  const href = link.getAttribute('href');
  if (!/^#(cite|evidence|sources|article|articles)(-|$)/.test(href)) return;
  event.preventDefault();
  if (!side.contains(link)) opener = link;
  document.querySelectorAll('a.cite.active').forEach((chip) => chip.classList.remove('active'));
  if (link.classList.contains('cite')) link.classList.add('active');
  root.dataset.asked = '1';
  side.classList.add('open');
  trigger('select', { href });
});

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') close();
});

const button = document.createElement('button');
button.type = 'button';
button.className = 'fn-close';
button.setAttribute('aria-label', 'Close the side panel');
button.textContent = '×';
button.addEventListener('click', close);
side.prepend(button);
side.setAttribute('role', 'complementary');
side.setAttribute('aria-label', 'Sources');

watch('value', () => {
  if (root.dataset.asked !== '1') return; // sources of a new answer: the reader has not asked for them
  root.dataset.asked = '';
  const heading = root.querySelector('h2');
  if (heading) heading.focus({ preventScroll: true });
  const mark = root.querySelector('mark');
  if (mark) mark.scrollIntoView({ block: 'center' });
  else side.scrollTop = 0;
});

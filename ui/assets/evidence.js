// The evidence: a click on a footnote or passage opens it beside the conversation.
let footnote;
let opener = null;
const LINK = /^#(cite|evidence|sources|article)-/;

export async function open(href) {
  const found = await footnote.act('evidence', { link: href, conversation: footnote.current() });
  if (!found) return;
  const slot = document.querySelector('#fn-panel .fn-slot');
  slot.innerHTML = found.side;
  footnote.pane('side');
  slot.querySelector('h2')?.focus({ preventScroll: true });
  const mark = slot.querySelector('mark.current, mark');
  if (mark) mark.scrollIntoView({ block: 'center' });
  else document.getElementById('fn-side').scrollTop = 0;
}

export function init(shared) {
  footnote = shared;
  document.addEventListener('click', (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    const href = link && link.getAttribute('href');
    if (!href || !LINK.test(href)) return;
    event.preventDefault();
    if (!document.getElementById('fn-side').contains(link)) opener = link;
    document.querySelectorAll('a.cite.active').forEach((chip) => chip.classList.remove('active'));
    if (link.classList.contains('cite')) link.classList.add('active');
    open(href);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !document.getElementById('fn-side').contains(document.activeElement)) return;
    footnote.pane('chat');
    if (opener && document.contains(opener)) opener.focus();
  });
}

// Words of an answer that are selected: a button beside them asks where they come from.
const SHORTEST = 3;
const LONGEST = 500;
const SETTLED_MS = 200;
const GAP = 8;
let button;
let timer;

/** Return the selected words of an answer, its key and where they stand; null where none are selected. */
function selected() {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  const around = range.commonAncestorContainer;
  const element = around.nodeType === Node.ELEMENT_NODE ? around : around.parentElement;
  const answer = element.closest('.fn-answer');
  const reply = answer && answer.closest('.fn-reply[data-key]');
  if (!reply) return null;
  const words = wordsOf(range);
  if ([...words].length < SHORTEST || [...words].length > LONGEST) return null;
  return { words, key: reply.dataset.key, range, answer };
}

/** Return the words of a range without footnotes and verdicts, which are ours. */
function wordsOf(range) {
  const part = range.cloneContents();
  part.querySelectorAll('a.cite, .fn-verdict').forEach((mark) => mark.remove());
  part.querySelectorAll('p, li, tr, h1, h2, h3, h4, pre, blockquote').forEach((block) => block.append('\n'));
  return part.textContent.replace(/\s+/g, ' ').trim();
}

function place(range) {
  const lines = [...range.getClientRects()].filter((line) => line.width > 0);
  const last = lines[lines.length - 1];
  if (!last || last.bottom < 0 || last.top > window.innerHeight) return false;
  const width = button.offsetWidth;
  const height = button.offsetHeight;
  const below = last.bottom + GAP;
  button.style.left = `${Math.max(GAP, Math.min(last.right - width / 2, window.innerWidth - width - GAP))}px`;
  button.style.top = `${below + height + GAP < window.innerHeight ? below : lines[0].top - height - GAP}px`;
  return true;
}

function update() {
  const found = selected();
  if (!found) {
    if (document.activeElement !== button) button.hidden = true;
    return;
  }
  // Behind the answer in the order of the keyboard; over it on the screen.
  if (button.previousElementSibling !== found.answer) found.answer.after(button);
  button.hidden = false;
  if (!place(found.range)) button.hidden = true;
}

export function init(find) {
  button = document.createElement('button');
  button.type = 'button';
  button.id = 'fn-origin';
  button.textContent = 'Where from?';
  button.title = 'Find the words of the articles that these come from';
  button.hidden = true;
  button.addEventListener('pointerdown', (event) => event.preventDefault()); // the selection stays
  button.addEventListener('click', async () => {
    const found = selected();
    button.hidden = true;
    if (!found) return;
    button.disabled = true;
    await find(found.words, found.key);
    button.disabled = false;
  });
  document.addEventListener('selectionchange', () => {
    clearTimeout(timer);
    timer = setTimeout(update, SETTLED_MS);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !button.hidden) button.hidden = true;
  });
  document.addEventListener('scroll', () => {
    if (!button.hidden) update();
  }, true);
}

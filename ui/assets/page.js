// The page's script: what its modules share, and their beginning. Gradio carries questions and answers; this does the rest.
import * as articles from './articles.js';
import * as chat from './chat.js';
import * as evaluations from './evaluations.js';
import * as evidence from './evidence.js';
import * as layout from './layout.js';
import * as lists from './lists.js';

const parts = (window.footnoteParts = window.footnoteParts || {});
const footnote = (window.footnote = { chosen: [] });

/** Say something to who reads the page, and to who hears it. */
footnote.say = (words, { bad = false } = {}) => {
  const place = document.getElementById('fn-toasts');
  const toast = document.createElement('p');
  toast.className = bad ? 'fn-toast bad' : 'fn-toast';
  toast.setAttribute('role', bad ? 'alert' : 'status');
  toast.textContent = words;
  place.append(toast);
  setTimeout(() => toast.remove(), bad ? 9000 : 4000);
};

/** Put a text on the clipboard, and as HTML too where it is given; false where the browser has none for us. */
footnote.clip = async (text, html = null) => {
  try {
    if (html === null) throw new Error('text only');
    const kinds = { 'text/plain': new Blob([text], { type: 'text/plain' }), 'text/html': new Blob([html], { type: 'text/html' }) };
    await navigator.clipboard.write([new ClipboardItem(kinds)]);
    return true;
  } catch {
    // Browsers give pages that came without encryption no clipboard but the old way.
  }
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = document.createElement('textarea');
    const focused = document.activeElement;
    box.value = text;
    box.className = 'fn-sr';
    document.body.append(box);
    box.select();
    const copied = document.execCommand('copy');
    box.remove();
    focused?.focus();
    if (!copied) footnote.say('This browser lets no page copy. Select the words and copy them.', { bad: true });
    return copied;
  }
};

/** Ask the server for one of the acts of ui/acts.py; null where it refused, and the reader has been told. */
footnote.act = async (name, data = {}, { quiet = false } = {}) => {
  let result;
  try {
    result = await parts.acts.server[name](data);
    if (!result) throw new Error('no answer');
  } catch {
    if (name === 'start' && (await beginsAnew())) return null;
    if (!quiet) footnote.say('The server does not answer. Check that it runs, then load the page again.', { bad: true });
    return null;
  }
  if (result.error) {
    if (!quiet) footnote.say(result.error, { bad: true });
    return null;
  }
  return result;
};

/** Load the page once more, where the server is there and does not know us: two tabs of a new reader opened at once. */
async function beginsAnew() {
  const again = 'footnote.again';
  try {
    if (!(await fetch('/health')).ok || Date.now() - Number(sessionStorage.getItem(again)) < 60_000) return false;
    sessionStorage.setItem(again, String(Date.now()));
  } catch {
    return false;
  }
  location.reload();
  return true;
}

/** Put HTML of the server into a slot of the page; what has the focus keeps it where it is there again. */
footnote.place = (slot, html) => {
  const focused = slot.contains(document.activeElement) ? document.activeElement : null;
  const selection = focused && 'selectionStart' in focused ? [focused.selectionStart, focused.selectionEnd] : null;
  slot.innerHTML = html;
  const again = focused && focused.id && document.getElementById(focused.id);
  if (!again) return;
  again.focus({ preventScroll: true });
  try {
    if (selection) again.setSelectionRange(...selection);
  } catch {
    // An input of a kind that has no caret.
  }
};

async function begin() {
  const toasts = document.createElement('div');
  toasts.id = 'fn-toasts';
  document.body.append(toasts);
  layout.init(footnote);
  evidence.init(footnote);
  lists.init(footnote);
  articles.init(footnote);
  evaluations.init(footnote);
  await chat.init(footnote, parts);
  document.body.dataset.ready = '1';
}

// Gradio puts its components into the page one after another.
const NEEDED = ['#fn-ask textarea', '#fn-options .fn-how', '#fn-lists .fn-tabs', '#fn-history .fn-slot', '#fn-panel .fn-slot', '#fn-evaluations .fn-slot'];
let begun = false;
function beginWhenThere() {
  if (begun) return;
  if (!parts.live || !parts.acts || !NEEDED.every((part) => document.querySelector(part))) {
    requestAnimationFrame(beginWhenThere);
    return;
  }
  begun = true;
  begin();
}
beginWhenThere();

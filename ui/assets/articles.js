// The articles pane: search, choose, upload, add, remove, and how far the library is with it.
let footnote;
let slot;
let version = '';
let shown = {};
let search = '';
let sort = 'date';
let news = null; // the number of the last change that was told
let asking = 0;
let polling;
let sending = Promise.resolve();
let drags = 0;
let adding = null; // whether the reader has what adds articles open; null: as the server has it

const BUSY_MS = 700; // between two looks at a change that is at work
const LARGE = 100_000; // characters of a list that is not fetched that often
const IDLE_MS = 20_000; // other readers change the library too

/* what is shown */

async function look(data = {}, options = {}) {
  const mine = ++asking;
  clearTimeout(polling);
  const found = await footnote.act('articles', { do: 'show', search, sort, chosen: footnote.chosen, version, ...data }, options);
  if (mine === asking) {
    if (found) show(found);
    polling = setTimeout(watch, found && !found.idle ? (shown.list || '').length > LARGE ? 3 * BUSY_MS : BUSY_MS : IDLE_MS);
  }
  return found;
}

function watch() {
  if (document.hidden) polling = setTimeout(watch, IDLE_MS);
  else look({}, { quiet: true });
}

function show(found) {
  version = found.version;
  if (found.list === undefined) return;
  for (const part of ['tools', 'work', 'list']) {
    if (shown[part] === found[part]) continue;
    const opened = new Set([...slot.querySelectorAll('details[open][id]')].map((fold) => fold.id));
    footnote.place(slot.querySelector(`.fn-library-${part}`), found[part]);
    if (part === 'tools') restoreTools();
    opened.forEach((id) => document.getElementById(id)?.setAttribute('open', ''));
    shown[part] = found[part];
  }
  if (found.gone.length) choose(footnote.chosen.filter((id) => !found.gone.includes(id)));
  showChosen();
  tellNews();
}

function restoreTools() {
  document.getElementById('fn-find-articles').value = search;
  if (adding !== null) openAdding(adding);
}

function openAdding(open) {
  adding = open;
  const place = document.getElementById('fn-adding');
  if (!place) return;
  place.hidden = !open;
  document.getElementById('fn-add').setAttribute('aria-expanded', String(open));
}

// What is done is read to who cannot see it; not what was done before the page was opened.
function tellNews() {
  const last = slot.querySelector('.fn-library-work [data-job]');
  const number = last ? last.dataset.job : '';
  if (news !== null && number && number !== news) {
    slot.querySelector('.fn-library-news').textContent = last.querySelector('p').textContent;
  }
  news = number;
}

/* which articles questions go to */

const boxes = () => [...slot.querySelectorAll('input[name="article"]')];

function choose(ids) {
  footnote.chosen = ids;
  showChosen();
  document.dispatchEvent(new CustomEvent('footnote:chosen', { detail: ids }));
}

function showChosen() {
  const ids = new Set(footnote.chosen);
  boxes().forEach((box) => { box.checked = ids.has(box.value); });
  const said = document.getElementById('fn-chosen');
  if (!said) return;
  const count = ids.size;
  const words = count ? `Questions go to the ${count === 1 ? 'one' : count} you selected.` : said.dataset.none;
  if (said.textContent !== words) said.textContent = words;
  document.getElementById('fn-none').hidden = !count;
  document.getElementById('fn-all').hidden = boxes().every((box) => box.checked);
}

/* uploads: one after another, each in a request of its own */

const RETRY = 'The connection broke. Choose the file again.';

function upload(files) {
  const box = document.getElementById('fn-files');
  if (!box) {
    footnote.say('Files cannot be added here.', { bad: true });
    return;
  }
  const rows = [...files].map((file) => ({ file, row: uploadRow(file.name) }));
  for (const { file, row } of rows) {
    sending = sending.then(() => send(file, row, Number(box.dataset.most))).catch(() => finish(row, 'bad', RETRY));
  }
  sending = sending.then(() => look({}, { quiet: true }));
}

function uploadRow(name) {
  const row = document.createElement('div');
  row.className = 'fn-upload';
  const title = document.createElement('p');
  title.textContent = name;
  const bar = document.createElement('progress');
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute('aria-label', `Upload of ${name}`);
  const state = document.createElement('p');
  state.className = 'fn-meta';
  state.textContent = 'Waiting';
  row.append(title, bar, state);
  slot.querySelector('.fn-library-uploads').append(row);
  return row;
}

function finish(row, kind, words) {
  row.classList.add(kind);
  row.querySelector('progress')?.remove();
  row.querySelector('.fn-meta').textContent = words;
  slot.querySelector('.fn-library-news').textContent = `${row.firstChild.textContent}: ${words}`;
  if (kind === 'bad') {
    const close = document.createElement('button');
    close.type = 'button';
    close.className = 'fn-act';
    close.dataset.library = 'dismiss';
    close.setAttribute('aria-label', `Dismiss ${row.firstChild.textContent}`);
    close.textContent = '×';
    row.append(close);
  } else setTimeout(() => row.remove(), 5000);
}

function send(file, row, megabytes) {
  if (file.size > megabytes * 1_000_000) {
    finish(row, 'bad', `Larger than ${megabytes} MB, the most for one file. Split it.`);
    return Promise.resolve();
  }
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    const bar = row.querySelector('progress');
    const state = row.querySelector('.fn-meta');
    request.open('POST', '/articles');
    request.upload.addEventListener('progress', (event) => {
      bar.value = event.loaded / (event.total || 1);
      state.textContent = event.loaded < event.total ? `Sending: ${Math.round(bar.value * 100)} %` : 'Checking';
    });
    request.addEventListener('loadend', () => {
      told(request, row);
      done();
    });
    const form = new FormData();
    form.append('files', file, file.name);
    request.send(form);
  });
}

function told(request, row) {
  let reply = null;
  try {
    reply = JSON.parse(request.responseText);
  } catch {
    // Not from the route itself: nothing came, or the gate has answered in plain words.
  }
  const file = reply?.files?.[0];
  const error = reply?.error || file?.error || (file?.source ? null : reply?.detail || request.responseText || RETRY);
  if (error) finish(row, 'bad', String(error).slice(0, 500));
  else finish(row, 'good', file.note ? `It ${file.note}.` : 'Uploaded');
  look({}, { quiet: true });
}

/* what a reader does */

const deeds = {
  open: (button) => openAdding(button.getAttribute('aria-expanded') !== 'true'),
  sync: () => look({ do: 'sync' }),
  add: (button) => look({ do: 'add', address: button.dataset.address }),
  putback: (button) => look({ do: 'putback', source: button.dataset.source }),
  all: () => choose([...new Set([...footnote.chosen, ...boxes().map((box) => box.value)])]),
  none: () => { choose([]); document.getElementById('fn-all').focus(); },
  dismiss: (button) => button.closest('.fn-upload').remove(),
  remove: (button) => {
    if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
    // The button goes with its article: the one below it has the focus then.
    const below = button.closest('li')?.nextElementSibling?.querySelector('[data-library="remove"]');
    look({ do: 'remove', source: button.dataset.source });
    (below || document.getElementById('fn-find-articles')).focus({ preventScroll: true });
  },
};

async function addAddress(event) {
  event.preventDefault();
  const box = document.getElementById('fn-url');
  const address = box.value.trim();
  if (address && (await look({ do: 'add', address }))) box.value = '';
  box.focus();
}

const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes('Files');

function listenForDrops() {
  const pane = document.getElementById('fn-left') || slot;
  const mark = (on) => pane.classList.toggle('fn-dropping', on && !!document.getElementById('fn-files'));
  // A file dropped beside the pane would be opened in place of the page.
  document.addEventListener('dragover', (event) => { if (hasFiles(event)) event.preventDefault(); });
  document.addEventListener('drop', (event) => { if (hasFiles(event)) event.preventDefault(); });
  pane.addEventListener('dragenter', (event) => {
    if (!hasFiles(event)) return;
    drags += 1;
    mark(true);
  });
  pane.addEventListener('dragleave', (event) => {
    if (!hasFiles(event)) return;
    drags = Math.max(0, drags - 1);
    mark(drags > 0);
  });
  pane.addEventListener('drop', (event) => {
    drags = 0;
    mark(false);
    if (event.dataTransfer.files.length) upload(event.dataTransfer.files);
  });
}

export function init(shared) {
  footnote = shared;
  slot = document.getElementById('fn-articles');
  if (!slot) return;
  const parts = ['tools', 'uploads', 'work', 'news', 'list'].map((name) => {
    const part = document.createElement('div');
    part.className = `fn-library-${name}`;
    if (name === 'news') {
      part.classList.add('fn-sr');
      part.setAttribute('role', 'status');
    }
    return part;
  });
  slot.replaceChildren(...parts);

  let typing;
  slot.addEventListener('input', (event) => {
    if (event.target.id !== 'fn-find-articles') return;
    search = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(look, 250);
  });
  slot.addEventListener('change', (event) => {
    if (event.target.id === 'fn-sort') {
      sort = event.target.value;
      look();
    } else if (event.target.id === 'fn-files') {
      upload(event.target.files);
      event.target.value = '';
    } else if (event.target.name === 'article') {
      const others = footnote.chosen.filter((id) => id !== event.target.value);
      choose(event.target.checked ? [...others, event.target.value] : others);
    }
  });
  slot.addEventListener('click', (event) => {
    const button = event.target.closest('[data-library]');
    if (button) deeds[button.dataset.library]?.(button);
  });
  slot.addEventListener('submit', (event) => { if (event.target.id === 'fn-address') addAddress(event); });
  listenForDrops();
  look();
}

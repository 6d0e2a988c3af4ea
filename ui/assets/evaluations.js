// The view of evaluations: the list, the one that runs, reports, two of them compared; a failure goes to the chat.
let footnote;
let slot;
let home = true; // whether the list is shown
let running = false;
let polling;

const POLL_MS = 1000;
const viewed = () => document.body.dataset.view === 'evaluations';

/** Put a view of the server into the slot, read from its beginning. */
function show(html) {
  slot.innerHTML = html;
  const top = document.getElementById('fn-evaluations');
  top.scrollTop = 0;
  slot.querySelector('h2')?.focus({ preventScroll: true });
}

async function list() {
  const found = await footnote.act('evaluations', { do: 'list' });
  if (!found) return;
  home = true;
  show(found.html);
  progressed(found);
}

/** Show the reports anew, and leave what the reader is about to run as it is. */
async function listReports() {
  const found = await footnote.act('evaluations', { do: 'list' });
  if (!found || !home) return;
  const made = document.createElement('template');
  made.innerHTML = found.html;
  const [place, reports] = [slot, made.content].map((part) => part.querySelector('.fn-evals-two > section'));
  if (place && reports) footnote.place(place, reports.innerHTML);
  else footnote.place(slot, found.html);
}

async function view(data) {
  const found = await footnote.act('evaluations', data);
  if (!found) return;
  home = false;
  show(found.html);
  if (slot.querySelector('.fn-report')?.dataset.unit !== 'questions') return;
  slot.querySelectorAll('details.failure').forEach((failure) => {
    failure.querySelector('div').prepend(toChat(failure.querySelector('summary b').textContent));
  });
}

/** Return what takes a failed question to the conversation. */
function toChat(question) {
  const place = document.createElement('span');
  place.className = 'fn-to-chat';
  const link = document.createElement('a');
  link.className = 'fn-button';
  link.href = `/?q=${encodeURIComponent(question.slice(0, 8000))}`;
  link.dataset.do = 'evaluations-chat';
  link.textContent = 'Open in the chat';
  const ask = document.createElement('button');
  ask.type = 'button';
  ask.className = 'fn-button';
  ask.dataset.do = 'ask';
  ask.dataset.question = question;
  ask.textContent = 'Ask it now';
  place.append(link, ask);
  return place;
}

/** Show how far the evaluation is that runs, and look again while it does. */
function progressed(found) {
  const ended = running && !found.running;
  running = found.running;
  clearTimeout(polling);
  if (running) polling = setTimeout(poll, POLL_MS);
  if (ended) footnote.say('The evaluation has ended.');
  if (!home) return;
  const status = slot.querySelector('.fn-evals-status');
  if (status && status.innerHTML !== found.status) footnote.place(status, found.status);
  const run = slot.querySelector('.fn-run .fn-primary');
  if (run) run.disabled = running;
  if (ended) listReports();
}

async function poll() {
  if (document.hidden || !viewed()) {
    polling = setTimeout(poll, POLL_MS);
    return;
  }
  const found = await footnote.act('evaluations', { do: 'progress' }, { quiet: true });
  if (found) progressed(found);
  else polling = setTimeout(poll, 5 * POLL_MS);
}

async function run(form) {
  const count = form.elements.questions.valueAsNumber;
  const found = await footnote.act('evaluations', {
    do: 'run',
    name: form.elements.dataset.value,
    answers: form.elements.answers.value === '1',
    model: form.elements.model.value,
    questions: Number.isInteger(count) ? count : null,
    by_chance: form.elements.chance.checked,
    confirmed: form.elements.confirmed.checked,
  });
  if (!found) return;
  form.elements.confirmed.checked = false;
  progressed(found);
  slot.querySelector('.fn-evals-status').scrollIntoView({ block: 'nearest' });
}

function chosen() {
  return [...slot.querySelectorAll('input[name="pair"]:checked')].sort((one, other) => one.dataset.date.localeCompare(other.dataset.date));
}

/** Put a question into the box of the conversation: asking it is the reader's. */
function prefill(question) {
  footnote.view('ask');
  footnote.pane('chat');
  const box = document.querySelector('#fn-ask textarea');
  box.value = question;
  box.dispatchEvent(new Event('input', { bubbles: true }));
  box.focus();
}

const DEEDS = {
  evaluations: () => list(),
  'evaluations-open': (button) => view({ do: 'open', name: button.dataset.name }),
  'evaluations-compare': () => {
    const [first, second] = chosen();
    if (second) view({ do: 'compare', name: first.value, other: second.value });
  },
  'evaluations-cancel': async () => {
    const found = await footnote.act('evaluations', { do: 'cancel' });
    if (found) progressed(found);
  },
  'evaluations-part': (link) => {
    const part = slot.querySelector(`section[id="${CSS.escape(link.getAttribute('href').slice(1))}"]`);
    part?.scrollIntoView();
  },
  'evaluations-chat': (link) => prefill(new URLSearchParams(link.search).get('q')),
  ask: () => {
    footnote.view('ask'); // the conversation itself asks
    footnote.pane('chat');
  },
};

export function init(shared) {
  footnote = shared;
  slot = document.querySelector('#fn-evaluations .fn-slot');
  document.addEventListener('footnote:view', (event) => {
    if (event.detail === 'evaluations' && home) list();
  });
  slot.addEventListener('click', (event) => {
    const anchor = event.target.closest('a[href^="#failure-"]');
    const target = anchor || event.target.closest('[data-do]');
    if (!target) return;
    if (anchor) {
      event.preventDefault();
      slot.querySelector(`[id="${CSS.escape(anchor.getAttribute('href').slice(1))}"]`)?.scrollIntoView();
      return;
    }
    if (target.matches('a')) {
      if (event.metaKey || event.ctrlKey) return; // in a tab of its own
      event.preventDefault();
    }
    DEEDS[target.dataset.do]?.(target);
  });
  document.addEventListener('click', (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#said-"]');
    if (!link) return;
    event.preventDefault(); // the page has a base address: the link alone would load it again
    const sentence = document.getElementById(link.getAttribute('href').slice(1));
    sentence?.scrollIntoView({ block: 'center' });
    sentence?.focus({ preventScroll: true });
  });
  slot.addEventListener('submit', (event) => {
    event.preventDefault();
    run(event.target);
  });
  slot.addEventListener('change', (event) => {
    if (event.target.name !== 'pair') return;
    const pairs = chosen();
    if (pairs.length > 2) event.target.checked = false;
    slot.querySelector('[data-do="evaluations-compare"]').disabled = chosen().length !== 2;
  });
}

// The conversation: asking, what streams in, what is kept, and what can be done with a turn.
let footnote;
let parts;
let scroll;
let history;
let announcer;
let conversation = null;
let anew = null; // the number of the turn that the next question takes the place of
let going = false;
let ignored = 0; // questions that were not sent
let asking = ''; // the question that was asked last
let follow = true; // until the reader takes over

const WAIT = 'An answer is being written. Stop it, or wait for its end.';
const turns = () => [...history.querySelectorAll('.fn-turn')];
const checked = (name) => document.querySelector(`input[name="${name}"]:checked`);

/** Return the words of a part of the page as they are read out: without the verdict of each sentence. */
function words(part) {
  const copy = part.cloneNode(true);
  copy.querySelectorAll('.fn-verdict.supported').forEach((verdict) => verdict.remove());
  return copy.textContent;
}

/** Return how the next question is asked, for `Question` of ui/requests.py. */
function how() {
  const mode = checked('mode')?.value || 'answer';
  const picked = document.getElementById('fn-model')?.value || '';
  const compared = [...document.querySelectorAll('input[name="compared"]:checked')].map((box) => box.value);
  return {
    conversation,
    number: anew,
    mode,
    models: mode === 'compare' ? compared : mode === 'answer' && picked ? [picked] : [],
    articles: footnote.chosen,
    as_of: document.getElementById('fn-as-of').value,
  };
}

/** Show the button that asks, or the one that stops. */
function setGoing(now) {
  going = now;
  document.body.dataset.going = now ? '1' : '';
  document.querySelector('.fn-stop').hidden = !now;
}

function began() {
  setGoing(true);
  follow = true;
  document.getElementById('fn-intro').hidden = true;
  turns().filter((turn) => turn.matches('.fn-refused') || (anew && Number(turn.dataset.turn) >= anew)).forEach((turn) => turn.remove());
  if (document.activeElement === document.body) scroll.focus({ preventScroll: true }); // what had the focus was in one of these
  announcer.textContent = 'Searching the articles';
  anew = null;
  watch();
}

export function ask(question, number = null) {
  if (going) {
    footnote.say(WAIT);
    return;
  }
  anew = number;
  asking = question;
  const data = { question, how: JSON.stringify(how()) };
  began();
  parts.acts.trigger('submit', data);
}

function streamed() {
  const live = parts.live.element;
  const turn = live.querySelector('.fn-turn');
  if (!turn) return;
  if (!turn.matches('.fn-going')) finished(live, turn);
  requestAnimationFrame(() => {
    if (follow && live.querySelector('.fn-turn')) scroll.scrollTop = scroll.scrollHeight;
  });
}

function finished(live, turn) {
  setGoing(false);
  conversation = turn.dataset.conversation || conversation;
  const kept = !turn.matches('.fn-refused');
  const slot = live.querySelector('.fn-turn').parentElement;
  history.append(...slot.childNodes);
  const said = turn.querySelector('.fn-answer, .fn-none, .fn-error, .fn-nearest');
  const check = turn.querySelector('.fn-check.supported, .fn-check summary');
  announcer.textContent = [said, check].filter(Boolean).map(words).join(' ');
  requestAnimationFrame(() => {
    const above = turn.getBoundingClientRect().top - scroll.getBoundingClientRect().top;
    if (follow) scroll.scrollTop += above - 12; // an answer is read from its beginning
    follow = true;
  });
  if (!kept) return;
  address();
  document.dispatchEvent(new CustomEvent('footnote:turn', { detail: { number: turn.dataset.turn } }));
}

/** Say that the answer will not come, and go on with its question when the server is there again. */
async function lost() {
  setGoing(false);
  const turn = parts.live.element.querySelector('.fn-turn');
  const error = document.createElement('p');
  error.className = 'fn-error';
  error.setAttribute('role', 'alert');
  error.textContent = 'The server does not answer. Your question comes back into the box when it does.';
  if (turn) turn.querySelector('.fn-working').replaceWith(error);
  else footnote.say(error.textContent, { bad: true });
  while (!(await healthy())) await new Promise((resolve) => setTimeout(resolve, 2000));
  location.assign(`/?${turns().length ? `c=${conversation}&` : ''}q=${encodeURIComponent(asking)}`);
}

async function healthy() {
  try {
    return (await fetch('/health', { cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}

async function watch() {
  let silent = 0;
  while (going) {
    await new Promise((resolve) => setTimeout(resolve, 2500));
    silent = (await healthy()) ? 0 : silent + 1;
    if (silent > 1 && going) lost();
  }
}

/** Let the address lead back to this conversation. */
function address(hash = '') {
  const query = turns().some((turn) => !turn.matches('.fn-refused')) ? `?c=${conversation}` : location.pathname;
  window.history.replaceState(null, '', query + hash);
}

export async function open(wanted, hash = '') {
  const begun = await footnote.act('start', { conversation: wanted });
  if (!begun) return;
  if (going || (!wanted && conversation === null && turns().length)) {
    // A reader who asked before the page had begun.
    document.dispatchEvent(new CustomEvent('footnote:opened', { detail: begun }));
    return;
  }
  conversation = begun.conversation;
  anew = null;
  history.innerHTML = begun.history;
  parts.live.element.querySelectorAll('.fn-turn').forEach((turn) => turn.remove());
  const any = turns().length > 0;
  document.getElementById('fn-intro').hidden = any;
  if (begun.gone) footnote.say('That conversation is not here: it was deleted, has expired, or belongs to another browser.', { bad: true });
  document.dispatchEvent(new CustomEvent('footnote:opened', { detail: begun }));
  address(hash);
  if (any && !hash) scroll.scrollTop = scroll.scrollHeight;
}

async function copy(key) {
  const answer = await fetch(`/saved/${conversation}/${key}.clip`);
  if (!answer.ok) {
    footnote.say('This answer cannot be copied. Load the page again.', { bad: true });
    return;
  }
  const { text, html } = await answer.json();
  if (await footnote.clip(text, html)) footnote.say('Copied, with its references.');
}

async function link(hash) {
  const copied = await footnote.clip(`${location.origin}/?c=${conversation}${hash}`);
  if (copied) footnote.say('Link copied. It opens in this browser.');
}

function edit(turn) {
  const heading = turn.querySelector('.fn-question');
  const form = document.createElement('form');
  form.className = 'fn-edit';
  const box = document.createElement('textarea');
  box.value = heading.textContent;
  box.setAttribute('aria-label', 'Question');
  box.maxLength = 8000;
  const buttons = document.createElement('p');
  for (const [kind, words] of [['submit', 'Ask'], ['reset', 'Cancel']]) {
    const button = document.createElement('button');
    button.type = kind;
    button.className = 'fn-button';
    button.textContent = words;
    buttons.append(button);
  }
  form.append(box, buttons);
  const close = () => {
    form.replaceWith(heading);
    turn.querySelector('[data-do="edit"]').focus();
  };
  form.addEventListener('reset', close);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const question = box.value.trim();
    if (question) ask(question, Number(turn.dataset.turn));
  });
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  heading.replaceWith(form);
  box.focus();
}

async function judge(button, good, reason = '') {
  const reply = button.closest('.fn-reply');
  const kept = await footnote.act('feedback', { conversation, key: reply.dataset.key, good, reason });
  if (!kept) return;
  reply.querySelectorAll('[data-do="feedback"]').forEach((thumb) => {
    thumb.setAttribute('aria-pressed', String(good !== null && thumb.dataset.good === String(Number(good))));
  });
  const form = reply.querySelector('.fn-reason');
  form.hidden = good === null;
  return form;
}

async function thumb(button) {
  const pressed = button.getAttribute('aria-pressed') === 'true';
  const form = await judge(button, pressed ? null : button.dataset.good === '1');
  if (form && !pressed) form.querySelector('input').focus();
  if (form) footnote.say(pressed ? 'Taken back.' : 'Kept as a case for evaluation. Say why, if you like.');
}

const DEEDS = {
  ask: (button) => ask(button.dataset.question),
  retry: (button) => ask(button.closest('.fn-turn').querySelector('.fn-question').textContent, Number(button.dataset.turn)),
  edit: (button) => edit(button.closest('.fn-turn')),
  link: (button) => link(`#turn-${button.dataset.turn}`),
  stop: () => footnote.stop(),
  copy: (button) => copy(button.dataset.key),
  feedback: thumb,
};

export async function init(shared, given) {
  footnote = shared;
  parts = given;
  scroll = document.getElementById('fn-scroll');
  history = document.querySelector('#fn-history .fn-slot');
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', 'Conversation');
  scroll.tabIndex = 0;
  announcer = document.createElement('p');
  announcer.className = 'fn-sr';
  announcer.setAttribute('role', 'status');
  scroll.after(announcer);

  footnote.asked = (question) => {
    if (going || !question.trim()) {
      if (going) footnote.say(WAIT);
      ignored += 1;
      return ['', '{}'];
    }
    asking = question;
    const asked = JSON.stringify(how());
    began();
    setTimeout(() => fill('')); // the question moves from the box into the conversation
    return [question, asked];
  };
  footnote.settled = () => {
    if (ignored) ignored -= 1;
    else if (going) lost();
  };
  footnote.stop = () => footnote.act('stop', { conversation });
  footnote.ask = ask;
  footnote.open = open;
  footnote.current = () => conversation;
  parts.live.watch('value', streamed);
  streamed();

  document.addEventListener('click', (event) => {
    const button = event.target.closest && event.target.closest('button[data-do]');
    const deed = button && DEEDS[button.dataset.do];
    if (deed) deed(button);
  });
  document.addEventListener('submit', (event) => {
    if (!event.target.matches('.fn-reason')) return;
    event.preventDefault();
    const good = event.target.closest('.fn-reply').querySelector('[data-do="feedback"][aria-pressed="true"]');
    if (good) judge(good, good.dataset.good === '1', event.target.reason.value).then((kept) => kept && footnote.say('Thank you: kept.'));
  });

  // Followed until the reader takes over; what scrolls is not asked, since we scroll ourselves.
  const takeOver = (event) => {
    if (!(event.deltaY > 0)) follow = false;
  };
  for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown']) scroll.addEventListener(kind, takeOver, { passive: true });
  scroll.addEventListener('scroll', () => {
    if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 20) follow = true;
  });

  // The buttons of the question box come and go, and bring no name for who cannot see them.
  const form = document.getElementById('fn-asking');
  const nameButtons = () => {
    form.querySelectorAll('.submit-button').forEach((button) => button.setAttribute('aria-label', 'Ask'));
  };
  new MutationObserver(nameButtons).observe(form, { childList: true, subtree: true });
  nameButtons();

  const query = new URLSearchParams(location.search);
  const { hash } = location;
  await open(query.get('c'), hash);
  if (query.get('q')) prefill(query.get('q'));
  else if (matchMedia('(min-width: 60rem)').matches && !hash) document.querySelector('#fn-ask textarea').focus();
  if (hash.startsWith('#turn-')) document.getElementById(hash.slice(1))?.scrollIntoView();
}

/** Put a question into the box: asking it is the reader's. */
function prefill(question) {
  fill(question.slice(0, 8000));
  document.querySelector('#fn-ask textarea').focus();
}

function fill(words) {
  const box = document.querySelector('#fn-ask textarea');
  box.value = words;
  box.dispatchEvent(new Event('input', { bubbles: true }));
}

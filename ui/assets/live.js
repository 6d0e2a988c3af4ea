// The answer that is being written: keep its end in view while the reader is there; say when it is ready.
const scroll = document.getElementById('fn-scroll');
scroll.setAttribute('role', 'region');
scroll.setAttribute('aria-label', 'Conversation');
scroll.tabIndex = 0;

const announcer = document.createElement('p');
announcer.className = 'fn-sr';
announcer.setAttribute('role', 'status');
scroll.after(announcer);

// The buttons of the question box come and go, and bring no name for who cannot see them.
const chat = document.getElementById('fn-chat');
function nameButtons() {
  chat.querySelectorAll('.submit-button').forEach((button) => button.setAttribute('aria-label', 'Ask'));
  chat.querySelectorAll('.stop-button').forEach((button) => button.setAttribute('aria-label', 'Stop the answer'));
}
new MutationObserver(nameButtons).observe(chat, { childList: true, subtree: true });
nameButtons();

// Followed until the reader takes over; what scrolls is not asked, since we scroll ourselves.
let follow = true;
const takeOver = (event) => { if (!(event.deltaY > 0)) follow = false; };
for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown']) {
  scroll.addEventListener(kind, takeOver, { passive: true });
}
scroll.addEventListener('scroll', () => {
  if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 20) follow = true;
});

watch('value', () => {
  const turn = element.querySelector('.fn-turn');
  if (!turn) return;
  if (!turn.querySelector('.fn-draft')) {
    follow = true; // a new question
    announcer.textContent = 'Searching the articles';
  }
  requestAnimationFrame(() => {
    if (follow && element.querySelector('.fn-turn')) scroll.scrollTop = scroll.scrollHeight;
  });
});

// A finished answer is read from its beginning. It may come before or after the live one goes.
let finished = 0;
new MutationObserver(() => {
  const turns = scroll.querySelectorAll('#fn-history .fn-turn');
  if (turns.length <= finished) return;
  finished = turns.length;
  const answer = turns[finished - 1];
  const said = answer.querySelector('.fn-answer, .fn-none, .fn-error');
  const check = answer.querySelector('.fn-check.supported, .fn-check summary');
  announcer.textContent = [said, check].filter(Boolean).map((part) => part.textContent).join(' ');
  requestAnimationFrame(() => {
    const above = answer.getBoundingClientRect().top - scroll.getBoundingClientRect().top;
    if (follow) scroll.scrollTop += above - 12;
    follow = true;
  });
}).observe(scroll, { childList: true, subtree: true });

// The left pane: its two tabs, and the list of conversations.
let footnote;
let search = '';

const slot = () => document.getElementById('fn-conversations');

async function list(data = {}) {
  const found = await footnote.act('listing', { current: footnote.current(), search, ...data });
  if (found) footnote.place(slot(), found.conversations);
  return found;
}

function choose(tab) {
  document.querySelectorAll('.fn-tabs [role="tab"]').forEach((other) => {
    const chosen = other === tab;
    other.setAttribute('aria-selected', String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
  });
}

function rename(item) {
  const link = item.querySelector('a');
  const box = document.createElement('input');
  box.value = link.querySelector('.fn-title').textContent;
  box.maxLength = 200;
  box.className = 'fn-renaming';
  box.setAttribute('aria-label', 'Title of the conversation');
  link.replaceWith(box);
  box.select();
  const { conversation } = item.dataset;
  let done = false;
  const end = async (keep) => {
    if (done) return;
    done = true;
    if (keep && box.value.trim()) await list({ do: 'rename', conversation, title: box.value.trim() });
    else await list();
  };
  box.addEventListener('blur', () => end(true));
  box.addEventListener('keydown', async (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    await end(event.key === 'Enter');
    document.getElementById(`fn-rename-${conversation}`)?.focus();
  });
}

async function remove(item) {
  const title = item.querySelector('.fn-title').textContent;
  if (!window.confirm(`Delete “${title}”? It cannot be brought back.`)) return;
  const { conversation } = item.dataset;
  const next = item.nextElementSibling?.dataset.conversation;
  if ((await list({ do: 'delete', conversation })) && conversation === footnote.current()) await footnote.open(null);
  (document.getElementById(`fn-delete-${next}`) || document.getElementById('fn-tab-chats')).focus();
}

async function removeAll() {
  if (!window.confirm('Delete all conversations of this browser? They cannot be brought back.')) return;
  if (!(await list({ do: 'delete_all' }))) return;
  await footnote.open(null);
  document.getElementById('fn-tab-chats').focus();
  footnote.say('All conversations are deleted.');
}

export function init(shared) {
  footnote = shared;
  const tabs = [...document.querySelectorAll('.fn-tabs [role="tab"]')];
  tabs.forEach((tab, i) => {
    tab.addEventListener('click', () => choose(tab));
    tab.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
      const other = tabs[(i + 1) % tabs.length];
      choose(other);
      other.focus();
    });
  });
  document.addEventListener('footnote:opened', (event) => footnote.place(slot(), event.detail.conversations));
  document.addEventListener('footnote:turn', () => list());

  let typing;
  slot().addEventListener('input', (event) => {
    if (event.target.id !== 'fn-find-chats') return;
    search = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(list, 200);
  });
  slot().addEventListener('click', (event) => {
    const deed = event.target.closest('[data-do]');
    if (!deed) return;
    const item = deed.closest('.fn-chat');
    if (deed.dataset.do === 'open') {
      event.preventDefault();
      footnote.open(item.dataset.conversation);
      footnote.pane('chat');
      document.getElementById('fn-scroll').focus({ preventScroll: true });
    } else if (deed.dataset.do === 'new') {
      footnote.open(null);
      footnote.pane('chat');
      document.querySelector('#fn-ask textarea').focus();
    } else if (deed.dataset.do === 'rename') rename(item);
    else if (deed.dataset.do === 'delete') remove(item);
    else if (deed.dataset.do === 'delete-all') removeAll();
  });
}

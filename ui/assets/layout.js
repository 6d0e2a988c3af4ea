// The frame: views, panes and their widths, light and dark, how a question is asked.
let footnote;
const WIDTHS = 'footnote.widths';
const THEME = 'footnote.theme';

function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing: then it is as at the beginning.
  }
}

function remembered(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

function theme(dark) {
  document.body.classList.toggle('dark', dark);
  document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
}

/** A bar between two panes that a pointer or the arrow keys move. */
function divider(pane, name, label, towards) {
  const bar = document.createElement('div');
  bar.className = 'fn-divider';
  bar.tabIndex = 0;
  bar.setAttribute('role', 'separator');
  bar.setAttribute('aria-orientation', 'vertical');
  bar.setAttribute('aria-label', label);
  bar.setAttribute('aria-valuemin', '200');
  bar.setAttribute('aria-valuemax', '800');
  const main = document.getElementById('fn-main');
  const set = (width) => {
    const kept = Math.round(Math.min(Math.max(width, 200), Math.min(800, window.innerWidth * 0.45)));
    main.style.setProperty(`--fn-${name}`, `${kept}px`);
    bar.setAttribute('aria-valuenow', String(kept));
    remember(WIDTHS, { ...remembered(WIDTHS), [name]: kept });
  };
  const known = remembered(WIDTHS)?.[name];
  if (typeof known === 'number') set(known);
  else bar.setAttribute('aria-valuenow', String(Math.round(pane.getBoundingClientRect().width)));
  bar.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    bar.setPointerCapture(event.pointerId);
    const from = event.clientX;
    const width = pane.getBoundingClientRect().width;
    const move = (moved) => set(width + towards * (moved.clientX - from));
    bar.addEventListener('pointermove', move);
    bar.addEventListener('pointerup', () => bar.removeEventListener('pointermove', move), { once: true });
  });
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
    if (step) set(pane.getBoundingClientRect().width + towards * step);
  });
  return bar;
}

function pane(name) {
  document.body.dataset.pane = name;
  document.querySelectorAll('.fn-panes button').forEach((button) => {
    if (button.dataset.pane === name) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  });
}

function view(name) {
  document.body.dataset.view = name;
  document.querySelectorAll('.fn-views a').forEach((link) => {
    if (link.getAttribute('href') === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  });
  document.dispatchEvent(new CustomEvent('footnote:view', { detail: name }));
}

function closeMenus(but) {
  document.querySelectorAll('.fn-menu[open]').forEach((menu) => {
    if (menu !== but) menu.open = false;
  });
}

function showHow() {
  const mode = document.querySelector('input[name="mode"]:checked').value;
  const compared = document.querySelector('.fn-compared');
  if (compared) compared.hidden = mode !== 'compare';
  const pick = document.querySelector('.fn-pick');
  if (pick) pick.hidden = mode !== 'answer';
}

function showChosen() {
  const count = footnote.chosen.length;
  const button = document.querySelector('.fn-chosen');
  button.textContent = count ? `${count} article${count === 1 ? '' : 's'} chosen` : 'All articles';
  button.classList.toggle('on', count > 0);
}

export function init(shared) {
  footnote = shared;
  footnote.pane = pane;
  footnote.view = view;

  const left = document.getElementById('fn-left');
  const side = document.getElementById('fn-side');
  left.setAttribute('role', 'complementary');
  left.setAttribute('aria-label', 'Articles and conversations');
  side.setAttribute('role', 'complementary');
  side.setAttribute('aria-label', 'Evidence');
  left.after(divider(left, 'left', 'Width of the articles', 1));
  side.before(divider(side, 'side', 'Width of the evidence', -1));
  pane('chat');
  view('ask');

  const dark = remembered(THEME);
  if (typeof dark === 'boolean') theme(dark);
  document.addEventListener('click', (event) => {
    const target = event.target.closest && event.target.closest('[data-do="theme"], [data-do="choose"], .fn-panes button, .fn-views a, .fn-skip');
    if (!target) return;
    if (target.matches('.fn-panes button')) pane(target.dataset.pane);
    else if (target.matches('.fn-views a')) {
      event.preventDefault();
      view(target.getAttribute('href').slice(1));
    } else if (target.matches('.fn-skip')) {
      event.preventDefault();
      document.querySelector('#fn-ask textarea').focus();
    } else if (target.dataset.do === 'choose') {
      document.getElementById('fn-tab-articles').click();
      pane('left');
      document.querySelector('#fn-articles input')?.focus();
    } else {
      const now = !document.body.classList.contains('dark');
      theme(now);
      remember(THEME, now);
    }
  });
  document.addEventListener('click', (event) => closeMenus(event.target.closest('summary')?.parentElement));
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const menu = document.querySelector('.fn-menu[open]');
    if (menu?.contains(document.activeElement)) menu.querySelector('summary').focus();
    closeMenus();
  });
  document.addEventListener('change', (event) => {
    if (event.target.name === 'mode') showHow();
    if (event.target.name === 'compared' && document.querySelectorAll('input[name="compared"]:checked').length > 4) event.target.checked = false;
  });
  document.addEventListener('footnote:chosen', showChosen);
  showChosen();
}

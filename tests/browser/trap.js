// Put into the page before anything of it: traps for what would run, counts of what was stopped, and a look at the slots.
window.hacked = 0;
window.trapped = [];
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) {
  window[name] = () => { window.hacked += 1; window.trapped.push(name); };
}
document.addEventListener('securitypolicyviolation', (event) => {
  window.trapped.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});

// Whatever stands in a slot must be our own markup: these elements, no handler, no address but ours.
window.strange = (slots) => {
  const names = new Set(('article section aside header nav div p span h1 h2 h3 h4 h5 h6 ul ol li dl dt dd a button form fieldset ' +
    'legend label input textarea select option details summary q blockquote mark strong em b code pre kbd small abbr sup br hr ' +
    'table caption bdi cite desc thead tbody tr th td progress figure figcaption svg g path line rect circle text title polyline polygon').split(' '));
  const links = new RegExp('^(#[a-z0-9.-]+|/saved/[\\w-]+/[\\d.]+\\.(md|docx|json)|/\\?c=[\\w-]*|/\\?q=[\\w%.~!*\'()/-]*)$');
  const inert = new Set(['style', 'src', 'srcset', 'poster', 'action', 'formaction', 'background', 'data', 'srcdoc', 'ping',
    'xlink:href', 'http-equiv', 'autofocus', 'contenteditable', 'manifest', 'is']);
  const found = [];
  let count = 0;
  for (const slot of slots) for (const element of document.querySelectorAll(`${slot}, ${slot} *`)) {
    count += 1;
    if (!names.has(element.localName)) found.push(`<${element.localName}>`);
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || (inert.has(name) && element.id !== 'fn-origin')) found.push(`<${element.localName} ${name}="${value.slice(0, 80)}">`);
      if (name === 'href' && !links.test(value)) found.push(`<${element.localName} href="${value.slice(0, 80)}">`);
    }
  }
  return { found: found.slice(0, 10), count };
};
window.put = (slot, html) => {
  const place = document.querySelector(slot);
  place.innerHTML = html;
  return window.strange([slot]);
};

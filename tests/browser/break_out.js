// What a script in the page would try, were it there: to run more, and to reach another host in every way there is.
async (host) => {
  const url = (path) => `http://${host}/${path}`;
  const put = (html) => {
    const place = document.createElement('div');
    place.innerHTML = html;
    document.querySelector('#fn-history .fn-slot').append(place);
    return place;
  };
  put(`<img src=${url('img')}><img srcset="${url('set')} 1x"><picture><source srcset=${url('source')}><img></picture>`);
  put(`<video poster=${url('poster')} src=${url('video')}></video><audio src=${url('audio')}></audio>`);
  put(`<svg><image href=${url('svg')} /></svg><div style="background:url(${url('css')})">x</div>`);
  put(`<style>@import url(${url('import')}); @font-face { font-family: z; src: url(${url('font')}) } #fn-history { font-family: z }</style>`);
  put(`<link rel=stylesheet href=${url('link')}><link rel=prefetch href=${url('prefetch')}><link rel=icon href=${url('icon')}>`);
  put(`<iframe src=${url('frame')}></iframe><object data=${url('object')}></object><embed src=${url('embed')}>`);
  put(`<img src=x onerror="window.ran = 'handler'"><a id=go href="javascript:window.ran='link'">x</a>`).querySelector('#go').click();
  put(`<iframe srcdoc="<script>parent.ran='srcdoc'<${'/'}script>"></iframe>`);
  for (const [name, value] of [['src', url('script')], ['textContent', "window.ran = 'inline'"]]) {
    const script = document.createElement('script');
    script[name] = value;
    document.head.append(script);
  }
  for (const method of ['get', 'post']) put(`<form action=${url('form')} method=${method} target=_self></form>`).firstChild.submit();
  document.head.prepend(put(`<base href=${url('base/')}>`).firstChild);
  put('<img src=relative>');
  const tries = {
    fetch: () => fetch(url('fetch'), { mode: 'no-cors' }),
    request: () => new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.onload = done;
      request.onerror = fail;
      request.open('POST', url('xhr'));
      request.send('secret');
    }),
    beacon: async () => { navigator.sendBeacon(url('beacon'), 'secret'); throw Error(); },
    events: () => new Promise((done, fail) => Object.assign(new EventSource(url('events')), { onopen: done, onerror: fail })),
    socket: () => new Promise((done, fail) => Object.assign(new WebSocket(`ws://${host}/socket`), { onopen: done, onerror: fail })),
    worker: () => new Promise((done, fail) => Object.assign(new Worker(url('worker')), { onmessage: done, onerror: fail })),
    module: () => import(url('module')),
  };
  const through = [];
  for (const [name, attempt] of Object.entries(tries)) await attempt().then(() => through.push(name), () => {});
  await new Promise((done) => setTimeout(done, 1000));
  return { through, ran: window.ran || '', base: document.baseURI, at: location.href, stopped: window.trapped };
}

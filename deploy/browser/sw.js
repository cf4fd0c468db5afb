/**
 * Keeps the page for use without a network. `site.json` lists all its files.
 */

const SITE = new URL("site.json", self.location.href).href;
const SHELL = /(\.html|\.css|\.js|\.svg|\/index\.json|\/site\.json|\/)$/;

self.addEventListener("install", (event) => {
  event.waitUntil(keep((path) => SHELL.test(path) && !path.startsWith("vendor/")).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("message", (event) => {
  if (event.data === "keep") event.waitUntil(keep(() => true));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && new URL(request.url).origin === self.location.origin) {
    event.respondWith(answer(request));
  }
});

/**
 * The network's answer where there is a network: a server on this machine is as fast as the cache and never out of date.
 * @param {Request} request
 */
async function answer(request) {
  try {
    const response = await fetch(request);
    if (response.ok) await put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

/**
 * @param {Request | string} request
 * @param {Response} response
 */
async function put(request, response) {
  const cache = await caches.open("hilir");
  await cache.put(request, response);
}

/**
 * Fetches the files that are not kept yet, and drops those that the site no longer has.
 * @param {(path: string) => boolean} wanted
 */
async function keep(wanted) {
  const site = await (await fetch(SITE)).json();
  const cache = await caches.open("hilir");
  const urls = new Set(site.map((/** @type {string} */ path) => new URL(path, SITE).href).concat(SITE));
  for (const request of await cache.keys()) {
    if (!urls.has(request.url)) await cache.delete(request);
  }
  await Promise.all(
    site
      .filter(wanted)
      .map(async (/** @type {string} */ path) => {
        const url = new URL(path, SITE).href;
        if (!(await cache.match(url))) await cache.add(url);
      }),
  );
}

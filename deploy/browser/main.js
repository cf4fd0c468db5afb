/** Puts the page together. */

import { DigitsPanel, takesDrawing } from "./digits.js";
import { FormPanel } from "./form.js";
import { element } from "./panel.js";
import { BACKENDS, listModels, useBackend } from "./runtime.js";

const messages = {
  /** @param {string} text */
  say(text) {
    element("status").textContent = text;
    element("alert").hidden = true;
  },
  /** @param {string} text */
  warn(text) {
    element("status").textContent = "";
    element("alert").textContent = text;
    element("alert").hidden = false;
  },
};

async function start() {
  await startOffline();
  const listed = await listModels();
  element("missing").hidden = listed.length > 0;
  const panels = listed.map((found) => (takesDrawing(found) ? new DigitsPanel(found, messages) : new FormPanel(found, messages)));
  const backends = /** @type {HTMLSelectElement} */ (element("backend"));
  for (const [name, title] of Object.entries(BACKENDS)) backends.add(new Option(title, name));

  let working = backends.value;

  async function change() {
    messages.say("Loading…");
    try {
      const tf = await useBackend(backends.value);
      working = backends.value;
      messages.say(`Ready: TensorFlow.js ${tf.version_core}, ${BACKENDS[/** @type {keyof typeof BACKENDS} */ (working)]}.`);
      for (const panel of panels) await panel.use(tf);
      document.body.dataset.backend = working;
    } catch (error) {
      backends.value = working;
      messages.warn(error instanceof Error ? error.message : String(error));
    }
  }
  backends.addEventListener("change", change);
  await change();
  keepForOffline();
}

/** Waits until the service worker sees what the page loads; without one (plain HTTP on a network) the page needs it. */
async function startOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
  } catch {
    // The page works without it while it is online.
  }
}

/** Lets the service worker fetch what was not used yet: the other variants and backends. */
async function keepForOffline() {
  if (/** @type {any} */ (navigator).connection?.saveData) return;
  navigator.serviceWorker?.controller?.postMessage("keep");
}

start().catch((error) => messages.warn(error instanceof Error ? error.message : String(error)));

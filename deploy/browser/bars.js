/** Probabilities of classes as bars. */

import { writeShare } from "./numbers.js";

export class Bars {
  /**
   * @param {HTMLElement} list an empty `ol`
   * @param {string[]} names of the classes
   */
  constructor(list, names) {
    this.rows = names.map((name) => {
      const [row, label, track, bar, text] = ["li", "span", "span", "span", "span"].map((tag) => document.createElement(tag));
      label.textContent = name;
      label.className = "name";
      track.className = "track";
      track.setAttribute("aria-hidden", "true");
      bar.className = "bar";
      text.className = "share";
      track.append(bar);
      row.append(label, track, text);
      list.append(row);
      return { row, bar, text };
    });
    this.show(null);
  }

  /** @param {number[] | null} shares one per class */
  show(shares) {
    const top = shares ? shares.indexOf(Math.max(...shares)) : -1;
    this.rows.forEach(({ row, bar, text }, at) => {
      const share = shares ? shares[at] : 0;
      row.classList.toggle("top", at === top);
      bar.style.width = `${100 * share}%`;
      text.textContent = writeShare(share);
    });
  }
}

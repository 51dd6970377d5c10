(() => {
  const lines = new Map();
  for (const l of document.querySelectorAll(".l[data-k]")) {
    const k = l.dataset.k;
    if (!lines.has(k)) lines.set(k, []);
    lines.get(k).push(l);
  }
  let shown = null, pinned = null;
  const light = (k, from) => {
    if (k === shown) return;
    for (const l of lines.get(shown) || []) l.classList.remove("lit");
    shown = k;
    const seen = new Set();
    for (const l of lines.get(k) || []) {
      l.classList.add("lit");
      const pane = l.closest(".pane .code");
      if (!pane || seen.has(pane) || pane.contains(from) || pane.offsetParent === null) continue;
      seen.add(pane);
      const top = l.offsetTop - pane.offsetTop;
      if (top < pane.scrollTop || top > pane.scrollTop + pane.clientHeight - 20) pane.scrollTop = top - pane.clientHeight / 3;
    }
  };
  const pin = (k, from) => {
    for (const l of lines.get(pinned) || []) l.classList.remove("pin");
    pinned = k === pinned ? null : k;
    light(pinned, from);
    for (const l of lines.get(pinned) || []) l.classList.add("pin");
  };
  const at = (e) => e.target.closest && e.target.closest(".l[data-k]");
  document.addEventListener("mouseover", (e) => { const l = at(e); if (l && !pinned) light(l.dataset.k, l); });
  document.addEventListener("click", (e) => {
    const button = e.target.closest("button[data-pane]"), l = at(e);
    if (button) {
      const pane = document.querySelectorAll(".pane")[+button.dataset.pane];
      pane.hidden = !pane.hidden;
      button.setAttribute("aria-pressed", String(!pane.hidden));
    } else if (l) pin(l.dataset.k, l);
  });
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") { if (pinned) pin(pinned, null); light(null, null); } });
  const asked = new URLSearchParams(location.hash.slice(1)).get("k");
  if (asked) pin(asked, null);
})();

// Before the first paint: a theme chosen earlier wins over the system's. A file of its own, so that no inline script
// is needed and a strict Content-Security-Policy holds.
try {
  const chosen = localStorage.getItem('roost:theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is switched off: the system's theme it is.
}

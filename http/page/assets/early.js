// early.js: decides before the first paint whether this is the start page, so that nothing jumps.
// A classic script in the head: modules run only after the page is laid out.

{
  const params = [...new URLSearchParams(location.search)];
  const asks = ([name, value]) =>
    value && (/^(q|like|pic|view)$/.test(name) || /^(is|has|from|to)\./.test(name));
  document.documentElement.classList.toggle('home', !params.some(asks));
}

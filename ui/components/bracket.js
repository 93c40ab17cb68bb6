// Where a row of tokens begins inside of a character, the character stands again over the first of its parts there.
function repeatedIn(list) {
  let row = null;
  for (const token of list.children) {
    const first = row === null || token.offsetTop > row + 2;
    row = token.offsetTop;
    for (const line of token.querySelectorAll(".over .line:not(.from)")) line.textContent = first ? `… ${line.dataset.character}` : "";
  }
}

// What stands over a token that holds parts of characters: a line for each, which ends where the character does, and
// the character itself over its first part.
function bracket(shares) {
  const over = Object.assign(document.createElement("i"), { className: "over" });
  over.setAttribute("aria-hidden", "true");
  for (const [character, part, of] of shares) {
    const line = Object.assign(document.createElement("i"), { className: "line", textContent: part === 1 ? character : "" });
    line.dataset.character = character;
    line.classList.toggle("from", part === 1);
    line.classList.toggle("to", part === of);
    over.append(line);
  }
  return over;
}

// What stands over a token that holds parts of characters: a line for each, which ends where the character does, and
// the character itself over its first part.
function bracket(shares, begins) {
  const over = Object.assign(document.createElement("i"), { className: "over" });
  over.setAttribute("aria-hidden", "true");
  for (const [character, part, of] of shares) {
    const line = Object.assign(document.createElement("i"), { className: "line", textContent: part === 1 || begins ? character : "" });
    line.classList.toggle("from", part === 1);
    line.classList.toggle("to", part === of);
    over.append(line);
  }
  return over;
}

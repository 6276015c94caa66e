// The stub's idea of the program that web/e2e gives its servers: the same words, without a process.
const bytes = {
  colours: ['\u001b[31mred\u001b[0m \u001b[1mbold\u001b[0m 日本 10%\rdone'],
  help: ['words: help, colours, hostile, count FROM TO, stop'],
  hostile: [
    'before\u001b]0;owned\u0007\u001b]2;owned\u0007\u001b]52;c;b3duZWQ=\u0007\u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007',
    'queries\u001b[6n\u001b[5n\u001b[c\u001b[>c\u001b[=c\u001bZ\u001b[18t\u001b[21t\u001bP$qm\u001b\\\u001b]10;?\u0007',
    'forged\u001b[2J\u001b[H\u001b[1;1Hovertop\u001b[5A\u001b[99D\u001b[?1049h\u001b[?1000h\u001b[?2004h\u001b[?25l',
    '<img src=x onerror="document.title=String(1)"><script>document.title=2</script>',
    'single\u009b2Jcharacters\u009d 0;owned\u0007\u009c',
    'after\u001bc\u001b[!p the storm',
  ],
};

/** What the program prints in answer to its `n`th line. */
export function answer(line, n) {
  const [word, from, to] = line.split(' ');
  const said = [`read ${n}: <${line}>`];
  if (word === 'count') for (let i = Number(from); i <= Number(to); i += 1) said.push(`number ${i}.`);
  return [...said, ...(bytes[word] ?? [])];
}

import { describe, expect, test } from 'vitest';
import { harmless } from './filter';

describe('what passes', () => {
  test.each([
    ['plain text', 'Done (1.23s)! For help, type "help"'],
    ['wide characters and emoji', '日本語 ✅ 👩‍🚀 é'],
    ['colours', '\u001b[31mred\u001b[0m \u001b[1;38;5;208morange\u001b[m \u001b[38;2;1;2;3mtrue\u001b[48:2::1:2:3mcolon\u001b[0m'],
    ['tab, carriage return, backspace', 'a\tb 10%\r20%\b\b'],
    ['erase in line', '50%\r\u001b[K100%\u001b[2K\u001b[1K\u001b[0K'],
  ])('%s', (_, line) => {
    expect(harmless(line)).toBe(line);
  });
});

describe('what does nothing', () => {
  test.each([
    ['window title', 'a\u001b]0;owned\u0007b', 'ab'],
    ['clipboard', 'a\u001b]52;c;cm0gLXJmIC8=\u001b\\b', 'ab'],
    ['hyperlink', '\u001b]8;;javascript:alert(1)\u0007click\u001b]8;;\u0007', 'click'],
    ['DCS, APC, PM, SOS', 'a\u001bPq#0\u001b\\b\u001b_x\u001b\\c\u001b^y\u001b\\d\u001bXz\u001b\\e', 'abcde'],
    ['device status and attributes', 'a\u001b[6n\u001b[5n\u001b[c\u001b[>c\u001b[=c\u001bZb', 'ab'],
    ['window reports', 'a\u001b[18t\u001b[21tb', 'ab'],
    ['cursor movement', 'a\u001b[2J\u001b[H\u001b[1;1H\u001b[5A\u001b[3D\u001b[10G\u001b7\u001b8\u001b[s\u001b[ub', 'ab'],
    ['insert and delete lines, scroll', 'a\u001b[5L\u001b[5M\u001b[3S\u001b[2T\u001b[1;5rb', 'ab'],
    ['modes and alternate screen', 'a\u001b[?1049h\u001b[?25l\u001b[?1000h\u001b[4h\u001b[?2004hb', 'ab'],
    ['full reset', 'a\u001bc\u001b[!pb', 'ab'],
    ['character sets', 'a\u001b(0\u000elqk\u000f\u001b)Bb', 'alqkb'],
    ['bell, NUL, form feed, vertical tab', 'a\u0007\u0000\u000c\u000bb', 'ab'],
    ['single-character controls', 'a\u009b2Jb\u009d0;t\u0007c\u0090q\u009cd\u0085e', 'abcde'],
    ['a style with a private mark', 'a\u001b[?1m\u001b[>4;2mb', 'ab'],
    ['text that turns around', 'a\u202egpj.exe\u2066b', 'agpj.exeb'],
  ])('%s', (_, line, left) => {
    expect(harmless(line)).toBe(left);
  });

  test('blink and conceal are taken out of a style, the rest stays', () => {
    expect(harmless('\u001b[1;5;8;31mx')).toBe('\u001b[1;31mx');
    expect(harmless('\u001b[8mx')).toBe('x');
    expect(harmless('\u001b[38;5;8mgrey')).toBe('\u001b[38;5;8mgrey');
  });

  test('a single-character style is written in the safe form', () => {
    expect(harmless('\u009b31mred')).toBe('\u001b[31mred');
  });

  test('what a line leaves open ends with the line', () => {
    expect(harmless('text\u001b]0;never closed')).toBe('text');
    expect(harmless('text\u001b[12')).toBe('text');
    expect(harmless('text\u001b')).toBe('text');
  });

  test('a sequence broken by another one lets nothing through', () => {
    expect(harmless('\u001b[\u001b]52;c;eA==\u0007ok')).toBe('ok');
    expect(harmless('\u001b]0;a\u001b[31mb')).toBe('\u001b[31mb');
  });
});

test('whatever comes in, only harmless control functions come out', () => {
  let seed = 11;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  const pieces = ['\u001b', '[', ']', '?', ';', '5', '38', '2', 'm', 'K', 'H', 'J', 'n', 'c', 'P', '\\', '\u0007', '\u009b', '\u009d', '\u0090', '\u009c', '(', ' ', 'x', '\u0000', '\u202e', '\r'];
  for (let round = 0; round < 20_000; round += 1) {
    const line = Array.from({ length: random(14) }, () => pieces[random(pieces.length)]).join('');
    const out = harmless(line);
    // eslint-disable-next-line no-control-regex
    const rest = out.replace(/\u001b\[[0-9;:]*m|\u001b\[[012]?K/g, '').replace(/[\b\t\n\r]/g, '');
    // eslint-disable-next-line no-control-regex
    expect(rest, JSON.stringify(line)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(harmless(out)).toBe(out);
  }
});

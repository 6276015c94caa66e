// Drives a running Roost through a real browser, as a person would. Each story is told in stories/*.mjs.
//
//   BASE_URL=http://127.0.0.1:8080 ROOST_USER=admin ROOST_PASSWORD=... npm run e2e [-- STORY...]
//
// The account must be an administrator's: the stories make two servers (plain processes, `e2e-...`) and two users of
// their own, and remove them at the end. Ends with 1 and a sentence a failure; SHOTS=FOLDER keeps a picture of each.
// DIST=FOLDER takes the page from there; ROOST_SWITCH=HOST:PORT is where Roost can be killed and started again.
import { readdirSync } from 'node:fs';
import { Failure, openBrowser } from './harness.mjs';
import { World } from './world.mjs';

const { BASE_URL, ROOST_USER, ROOST_PASSWORD } = process.env;
if (!BASE_URL || !ROOST_USER || !ROOST_PASSWORD) {
  console.error('Set BASE_URL, ROOST_USER and ROOST_PASSWORD (an administrator of the Roost to drive).');
  process.exit(2);
}

const wanted = process.argv.slice(2);
const names = readdirSync(new URL('stories/', import.meta.url))
  .filter((name) => name.endsWith('.mjs'))
  .map((name) => name.replace('.mjs', ''))
  .sort();
for (const name of wanted) {
  if (!names.includes(name)) {
    console.error(`There is no story "${name}". There are: ${names.join(', ')}.`);
    process.exit(2);
  }
}

const browser = await openBrowser();
let world;
let failed = 0;
try {
  world = await World.make(browser, { base: BASE_URL.replace(/\/$/, ''), user: ROOST_USER, password: ROOST_PASSWORD });
  for (const name of names) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const { stories } = await import(`./stories/${name}.mjs`);
    for (const [title, tell] of Object.entries(stories)) {
      const begun = Date.now();
      try {
        await world.tell(tell);
        console.log(`ok      ${name}: ${title} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
      } catch (error) {
        failed += 1;
        const reason = error instanceof Failure ? error.message : (error.stack ?? String(error));
        console.log(`FAILED  ${name}: ${title}\n        ${reason.replaceAll('\n', '\n        ')}`);
        await world.picture(`${name}-${title}`);
      }
      await world.leave();
    }
  }
} catch (error) {
  failed += 1;
  console.error(error instanceof Failure ? error.message : error);
} finally {
  await world?.unmake();
  await browser.close();
}
if (failed > 0) console.error(`${failed} of the browser's stories failed.`);
process.exit(failed > 0 ? 1 : 0);

// Runs a script on the Node that package-lock.json pins (22), whatever the machine's own is: Debian 12 has 18, which the
// tools refuse. Where no pinned one exists for a machine, its own Node has to do.
//
//   node pinned-node.mjs SCRIPT [ARGUMENTS]
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pinned = fileURLToPath(new URL(`node_modules/node-${process.platform}-${process.arch}/bin/node`, import.meta.url));
const [script, ...rest] = process.argv.slice(2);
if (!existsSync(fileURLToPath(new URL('node_modules', import.meta.url)))) {
  console.error('The console’s tools are not installed: run "npm ci" in web/ first.');
  process.exit(1);
}
const run = spawnSync(existsSync(pinned) ? pinned : process.execPath, [script, ...rest], { stdio: 'inherit' });
if (run.error) console.error(`${pinned} cannot be run: ${run.error.message}`);
process.exit(run.status ?? 1);

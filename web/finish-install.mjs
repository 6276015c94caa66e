// Runs after `npm ci`, and makes sure that the native parts are there. They are optional packages, one a platform, and
// npm leaves such a package out without a word where it could not be fetched, or where it says that it doesn't fit the
// Node that npm runs on, as the bundler's says of the 18 of Debian 12. So the bundler is tried, on the pinned Node where
// there is one, and what is missing is installed once more with that Node. `npm run` goes on with it in pinned-node.mjs.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const pinned = fileURLToPath(new URL(`node_modules/node-${process.platform}-${process.arch}/bin/node`, import.meta.url));
const npm = process.env.npm_execpath;
const TRIES = 2;
// Debian's Node trusts what the machine trusts, the pinned one only what it brings: a company's proxy would be refused.
const trusted = '/etc/ssl/certs/ca-certificates.crt';
const env = { NODE_EXTRA_CA_CERTS: existsSync(trusted) ? trusted : undefined, ...process.env };

function node() {
  return existsSync(pinned) ? pinned : process.execPath;
}

function works() {
  return spawnSync(node(), ['--input-type=module', '-e', 'await import("rolldown"); await import("lightningcss")'], { cwd: here }).status === 0;
}

for (let tries = 0; npm && tries < TRIES && !works(); tries++) {
  spawnSync(node(), [npm, 'install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: here, env, stdio: 'inherit' });
}
if (!works()) {
  console.error('The bundler’s native part for this machine is missing: npm could not fetch it. Check the network, then run this again.');
  process.exit(1);
}

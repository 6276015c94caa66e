// Runs after `npm ci`. npm leaves out optional packages that say that they don't fit the Node it runs on, and the
// bundler's native part says so for the 18 of Debian 12. So where the machine's Node is older than the pinned one, what
// was left out is installed once more with the pinned one. `npm run` goes on with it in pinned-node.mjs.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pinned = fileURLToPath(new URL(`node_modules/node-${process.platform}-${process.arch}/bin/node`, import.meta.url));
const npm = process.env.npm_execpath;
const isOld = Number(process.versions.node.split('.')[0]) < 22;
if (isOld && npm && existsSync(pinned)) {
  const run = spawnSync(pinned, [npm, 'install', '--no-save', '--ignore-scripts'], { stdio: 'inherit' });
  process.exit(run.status ?? 1);
}

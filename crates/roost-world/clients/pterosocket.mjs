// Reads, types and refreshes with the npm package `pterosocket`, unchanged. Prints one word a step; the test waits for
// them. Run with: ORIGIN, KEY, SERVER in the environment, from a folder where the package is installed.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { pterosocket } = require('pterosocket');
const { ORIGIN, KEY, SERVER } = process.env;

const socket = new pterosocket(ORIGIN, KEY, SERVER);
let authenticated = 0;
socket.on('auth_success', () => {
  authenticated += 1;
  console.log(authenticated === 1 ? 'authenticated' : 'refreshed');
  if (authenticated === 1) socket.write({ event: 'send logs', args: [] });
  // Typed after the refresh, so that the fresh token is the one that carries it.
  if (authenticated === 2) socket.writeCommand('say from pterosocket');
});
socket.on('token_expiring', () => console.log('expiring'));
socket.on('console_output', (line) => {
  if (line === 'welcome') console.log('history');
  if (line === 'said from pterosocket') {
    console.log('answered');
    socket.close();
    process.exit(0);
  }
});
socket.on('error', (error) => {
  console.log(`error ${error}`);
  process.exit(1);
});
setTimeout(() => process.exit(2), 20000);

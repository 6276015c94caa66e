import { check, until } from '../harness.mjs';

const count = (lines, text) => lines.filter((line) => line === text).length;

/** Stands between the page and the node: counts what passes, and can cut or say something of its own. */
async function between(viewer) {
  const middle = { sockets: [], sent: [], credentials: 0 };
  await viewer.page.routeWebSocket(/\/api\/servers\/.*\/ws/, (socket) => {
    const node = socket.connectToServer();
    socket.onMessage((message) => {
      middle.sent.push(JSON.parse(String(message)).event);
      node.send(message);
    });
    middle.sockets.push({ say: (event, ...args) => socket.send(JSON.stringify({ event, args })), cut: (code, reason) => Promise.all([node.close(), socket.close({ code, reason })]) });
  });
  viewer.page.on('request', (request) => {
    if (request.url().endsWith('/websocket')) middle.credentials += 1;
  });
  return middle;
}

export const stories = {
  'a token is refreshed without a trace on the screen': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const middle = await between(viewer);
    await viewer.openServer(world.server);
    await viewer.type('help');
    await viewer.sees('words: help, colours');
    await viewer.page.waitForTimeout(500);
    const before = await viewer.lines();
    for (const event of ['token expiring', 'token expired']) {
      const asked = middle.credentials;
      const auths = middle.sent.filter((name) => name === 'auth').length;
      middle.sockets[0].say(event);
      await until(`"${event}" makes the page fetch a token`, () => middle.credentials === asked + 1);
      await until('the page sends it', () => middle.sent.filter((name) => name === 'auth').length === auths + 1);
      await viewer.page.waitForTimeout(400);
      check((await viewer.phase()) === 'live', 'The refresh shows in the state of the connection.');
    }
    check(middle.sockets.length === 1, 'The refresh opened another socket.');
    check(!middle.sent.includes('send logs') && !middle.sent.includes('send page'), 'The refresh asked for the history again.');
    const after = await viewer.lines();
    check(before.join('\n') === after.join('\n'), 'The refresh changed what is on the screen.');
  },

  'a lost connection comes back by itself, with every line once': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const middle = await between(viewer);
    await viewer.openServer(world.server);
    const from = Number(String(Date.now()).slice(-6));
    await viewer.type(`count ${from} ${from + 9}`);
    await viewer.sees(`number ${from + 9}.`);
    await middle.sockets[0].cut(1012, 'node is restarting');
    await until('the page says that it reconnects, and why', async () => (await viewer.page.locator('[data-phase=waiting]').innerText().catch(() => '')).includes('node is restarting'), 3);
    await world.call('post', `/api/client/servers/${world.server}/command`, { command: `count ${from + 10} ${from + 19}` });
    await viewer.live();
    await viewer.sees(`number ${from + 19}.`);
    const lines = await viewer.lines();
    for (let n = from; n < from + 20; n += 1) check(count(lines, `number ${n}.`) === 1, `After the reconnect, "number ${n}." stands there ${count(lines, `number ${n}.`)} times.`);
  },

  'an end for good is said and left alone': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const middle = await between(viewer);
    await viewer.openServer(world.server);
    await middle.sockets[0].cut(4409, 'server is suspended');
    await until('the page says why', async () => (await viewer.page.locator('[data-phase=ended]').innerText().catch(() => '')).includes('server is suspended'));
    await viewer.page.waitForTimeout(2500);
    check(middle.sockets.length === 1, 'The page opened another socket after a final close.');
    await viewer.page.getByRole('button', { name: 'Connect again' }).click();
    await viewer.live();
  },
};

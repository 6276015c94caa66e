// A stand-in for a panel and a node, for work on the console's look only: screenshots and trying states that are hard
// to reach with a real server. It is never shipped and proves nothing about Roost; web/e2e runs against the real one.
//
//   npm run build && npm run stub          http://127.0.0.1:8099, any name, password "roost"
//
// It also plays along with web/e2e, so that its stories can be written before there is a Roost to run them against.
//
// `POST /stub/{action}` moves it: say?text=, daemon?text=, cut?code=&reason=, away?on=, limit?seconds=.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';
import { answer } from './program.mjs';

const port = Number(process.env.PORT ?? 8099);
const dist = join(import.meta.dirname, '..', 'dist');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const world = { empty: false, away: false, limitUntil: 0 };
const sessions = new Map();
const users = new Map();
const server = (n, identifier, name, state, more = {}) => ({ uuid: `0000000${n}-0000-4000-8000-000000000000`, identifier, name, state, started: Date.now() - n * 4e6, log: [], reads: 0, grants: new Map(), ...more });
const servers = [
  server(1, 'lobby', 'Chat lobby', 'running', { port: 4000 }),
  server(2, 'survival', 'Survival 1.21, the old world', 'running', { port: 25565, memory: 4096, network: true }),
  server(3, 'creative', 'Creative', 'starting', { port: 25566, memory: 2048, network: true }),
  server(4, 'freeciv', 'Freeciv, Thursday round', 'offline', { port: 5556 }),
  server(5, 'watch-only', 'Somebody else’s server', 'running', { permissions: ['websocket.connect'] }),
  server(6, 'buttons-only', 'Buttons without a console', 'running', { permissions: ['control.start', 'control.stop'] }),
  server(7, 'unpaid', 'Suspended one', 'offline', { suspended: true }),
  server(8, 'lost', 'A server its node forgot', 'offline', { unavailable: true }),
];
const audit = Array.from({ length: 130 }, (_, i) => ({
  id: 1000 - i,
  time: new Date(Date.now() - i * 83_000).toISOString(),
  event: ['server:console.command', 'server:websocket.connect', 'server:power.start', 'auth:success', 'server:websocket.refused', 'server:websocket.disconnect'][i % 6],
  user: i % 7 === 6 ? null : ['ada', 'grace', 'linus'][i % 3],
  server: i % 6 === 3 ? null : ['lobby', 'survival', 'freeciv'][i % 3],
  address: ['192.0.2.17', '2001:db8::5', '127.0.0.1'][i % 3],
  via: ['session', 'key', 'socket', 'cli', 'node'][i % 5],
  details: i % 6 === 0 ? { command: 'say <b>hello</b> everybody' } : i % 6 === 4 ? { reason: 'jwt: exp claim is invalid' } : {},
}));
let sockets = [
  { id: 'a1', user: 'ada', server: 'lobby', address: '192.0.2.17', since: new Date(Date.now() - 4e5).toISOString() },
  { id: 'a2', user: 'grace', server: 'survival', address: '2001:db8:85a3::8a2e:370:7334', since: new Date(Date.now() - 9e6).toISOString() },
];

const E = '\u001b';
const opening = [
  `${E}[33m${E}[1m[Roost Daemon]:${E}[39m Server marked as starting...${E}[0m`,
  'Starting minecraft server version 1.21.4',
  'Loading properties',
  `${E}[32m[12:00:01 INFO]${E}[0m: Preparing level "world"`,
  `${E}[33m[12:00:03 WARN]${E}[0m: Can't keep up! Is the server overloaded? Running 2043ms behind`,
  `${E}[31m[12:00:04 ERROR]${E}[0m: Could not load plugin \u001b[1mDynmap\u001b[0m, see https://example.com/docs/plugins?id=42`,
  `${E}[1mbold${E}[0m ${E}[3mitalic${E}[0m ${E}[4munderlined${E}[0m ${E}[38;5;208m256 colours${E}[0m ${E}[38;2;120;180;255mtrue colour${E}[0m ${E}[7mreversed${E}[0m`,
  'wide: 日本語のテキスト ✅ | end',
  'progress:  10%\rprogress:  60%\rprogress: 100%',
  'Done (8.412s)! For help, type "help"',
];
for (const s of servers) {
  s.log.push(...opening);
  for (let i = 1; i <= 40; i += 1) s.log.push(`[12:0${i % 10}:0${i % 6} INFO]: Player${i} joined the game, ${i} online`);
}

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  res.end(body === undefined ? '' : JSON.stringify(body));
};
const problem = (res, status, message, headers) => json(res, status, { status, message }, headers);
const permissionsOf = (s, who) => (users.has(who) ? s.grants.get(who) : (s.permissions ?? ['*', 'admin.websocket.errors']));
const record = (event, user, s, details = {}) => audit.unshift({ id: audit[0].id + 1, time: new Date().toISOString(), event, user, server: s.identifier, address: '127.0.0.1', via: 'socket', details });
const attributes = (s) => ({
  object: 'server',
  attributes: {
    server_owner: !s.permissions,
    identifier: s.identifier,
    uuid: s.uuid,
    name: s.name,
    node: 'local',
    description: '',
    is_suspended: s.suspended === true,
    limits: { memory: s.memory ?? 0 },
    relationships: { allocations: { data: s.port ? [{ object: 'allocation', attributes: { ip: '127.0.0.1', port: s.port, is_default: true } }] : [] } },
  },
});
function stats(s) {
  const up = s.state !== 'offline';
  const t = Date.now() / 1000;
  return {
    memory_bytes: up ? Math.round((s.memory ?? 300) * 1048576 * (0.55 + 0.08 * Math.sin(t / 9))) : 0,
    memory_limit_bytes: (s.memory ?? 8192) * 1048576,
    cpu_absolute: up ? Math.max(0.2, 38 + 22 * Math.sin(t / 5) + 9 * Math.sin(t * 1.7)) : 0,
    network: s.network ? { rx_bytes: Math.round(t * 41000 + 30000 * Math.sin(t / 3)) % 9e9, tx_bytes: Math.round(t * 97000 + 90000 * Math.sin(t / 4)) % 9e9 } : { rx_bytes: 0, tx_bytes: 0 },
    network_measured: s.network === true,
    uptime: up ? Date.now() - s.started : 0,
    disk_bytes: 734003200,
    state: s.state,
  };
}
/** Authenticated sockets, with their server and user. */
const viewers = new Map();
const tell = (s, event, ...args) => {
  for (const [ws, viewer] of viewers) if (s === null || viewer.s === s) ws.send(JSON.stringify({ event, args }));
};
function print(s, line) {
  s.log.push(line);
  tell(s, 'console output', line);
}
function command(s, text) {
  s.reads += 1;
  for (const line of answer(text, s.reads)) print(s, line);
}
function power(s, action) {
  const go = (state) => {
    s.state = state;
    tell(s, 'status', state);
    print(s, `${E}[33m${E}[1m[Roost Daemon]:${E}[39m Server marked as ${state}...${E}[0m`);
  };
  if (action === 'start') {
    s.started = Date.now();
    go('starting');
    setTimeout(() => {
      go('running');
      print(s, 'e2e: hello');
    }, 900);
  } else if (action === 'kill') go('offline');
  else {
    go('stopping');
    setTimeout(() => (action === 'restart' ? power(s, 'start') : go('offline')), 900);
  }
}

const http = createServer((req, res) => {
  const url = new URL(req.url, 'http://stub');
  const path = url.pathname;
  let body = '';
  req.on('data', (chunk) => (body += chunk));
  req.on('end', () => {
    const input = body ? JSON.parse(body) : {};
    if (path.startsWith('/stub/')) return stub(path.slice(6), url.searchParams, res);
    if (!path.startsWith('/api/')) return asset(path, res);
    if (world.away) return problem(res, 502, 'Failed to prepare websocket session: Connection refused');
    if (path === '/api/auth/login') {
      if (Date.now() < world.limitUntil) return json(res, 429, { status: 429, message: 'Too many attempts. Wait, then try again.', retry_after: 30 }, { 'retry-after': '30' });
      if (input.password !== (users.get(input.user) ?? 'roost')) return problem(res, 401, 'Name or password is wrong.');
      const id = String(Math.random()).slice(2);
      sessions.set(id, input.user);
      return json(res, 200, {}, { 'set-cookie': `session=${id}; HttpOnly; Path=/` });
    }
    const session = /session=(\d+)/.exec(req.headers.cookie ?? '')?.[1];
    const who = sessions.get(session);
    if (!who) return problem(res, 401, 'Sign in first.');
    if (path === '/api/auth/logout') {
      sessions.delete(session);
      return json(res, 204);
    }
    if (path === '/api/auth/me') return json(res, 200, { name: who, uuid: `u-${who}`, admin: !users.has(who), email: null });
    if (path === '/api/client') return json(res, 200, { object: 'list', data: world.empty ? [] : servers.filter((s) => permissionsOf(s, who)).map(attributes), meta: { pagination: { total_pages: 1 } } });
    if (path === '/api/admin/sockets') return json(res, 200, [...sockets, ...[...viewers.values()].map(({ id, user, s, since }) => ({ id, user, server: s.identifier, address: '127.0.0.1', since }))]);
    if (path.startsWith('/api/admin/sockets/')) {
      for (const [ws, { id }] of viewers) if (id === path.split('/').at(-1)) ws.close(4400, 'ended by an administrator');
      sockets = sockets.filter((socket) => socket.id !== path.split('/').at(-1));
      return json(res, 204);
    }
    if (path === '/api/admin/audit') {
      const q = url.searchParams;
      const rows = audit.filter((row) => (!q.get('server') || row.server === q.get('server')) && (!q.get('user') || row.user === q.get('user')));
      return json(res, 200, rows.slice(0, Number(q.get('lines') ?? 100)));
    }
    if (path.startsWith('/api/admin/')) return administer(req.method, path.split('/').slice(3), input, res);
    const [, id, rest = ''] = /^\/api\/client\/servers\/([^/]+)\/?(.*)$/.exec(path) ?? [];
    const s = servers.find((one) => one.identifier === id || one.uuid === id);
    if (!s || !permissionsOf(s, who)) return problem(res, 404, 'Server not found');
    if (rest === '') return json(res, 200, { ...attributes(s), meta: { is_server_owner: true, user_permissions: permissionsOf(s, who) } });
    if (rest === 'resources') {
      const { network, state, ...figures } = stats(s);
      return json(res, 200, { object: 'stats', attributes: { current_state: state, is_suspended: s.suspended === true, resources: { ...figures, network_rx_bytes: network.rx_bytes, network_tx_bytes: network.tx_bytes } } });
    }
    if (rest === 'power') {
      power(s, input.signal);
      return json(res, 204);
    }
    if (rest === 'command') {
      command(s, input.command);
      return json(res, 204);
    }
    if (rest === 'websocket') {
      if (s.suspended) return problem(res, 409, 'This server is suspended.');
      if (s.unavailable) return json(res, 200, { unavailable: true, message: 'Server is not available on the assigned Wings node', diagnostics: { error: '404: The requested resource does not exist on this instance', serverUuid: s.uuid, serverIdentifier: s.identifier, nodeId: 'local', serverStatus: null } });
      const socket = `ws://${req.headers.host}/api/servers/${s.uuid}/ws`;
      return json(res, 200, { token: who, socket, data: { token: who, socket } });
    }
    return problem(res, 404, 'No such route');
  });
});

/** As far as web/e2e needs it. */
function administer(method, [kind, name, sub, user], input, res) {
  if (kind === 'servers' && method === 'GET') return json(res, 200, servers);
  if (kind === 'users' && method === 'GET') return json(res, 200, [{ name: 'ada' }, { name: 'grace' }]);
  if (kind === 'users' && method === 'POST') users.set(input.name, input.password);
  else if (kind === 'users') users.delete(name);
  else if (sub === 'grants') {
    const s = servers.find((one) => one.identifier === name);
    s.grants.set(user, input.permissions);
    s.log = [];
  } else if (method === 'POST') {
    const made = server(servers.length + 1, input.identifier, input.name, 'offline');
    servers.push(made);
    if (input.start) power(made, 'start');
  } else servers.splice(servers.findIndex((one) => one.identifier === name), 1);
  return json(res, 200, {});
}

function stub(action, query, res) {
  const text = (query.get('text') ?? '').replaceAll('\\e', E).replaceAll('\\a', '\u0007');
  if (action === 'say') print(servers[0], text);
  else if (action === 'daemon') tell(null, 'daemon message', text);
  else if (action === 'event') tell(null, query.get('name'), ...query.getAll('arg'));
  else if (action === 'away') world.away = query.get('on') === '1';
  else if (action === 'empty') world.empty = query.get('on') === '1';
  else if (action === 'limit') world.limitUntil = Date.now() + Number(query.get('seconds')) * 1000;
  else if (action === 'cut') for (const ws of viewers.keys()) ws.close(Number(query.get('code')), query.get('reason') ?? '');
  json(res, 204);
}

function asset(path, res) {
  let file = join(dist, normalize(path));
  if (!file.startsWith(dist) || !existsSync(file) || statSync(file).isDirectory()) file = join(dist, 'index.html');
  res.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  });
  createReadStream(file).pipe(res);
}

const wss = new WebSocketServer({ noServer: true });
http.on('upgrade', (req, socket, head) => {
  const s = servers.find((one) => req.url.includes(one.uuid));
  if (!s || world.away) return socket.destroy();
  wss.handleUpgrade(req, socket, head, (ws) => {
    const send = (event, ...args) => ws.send(JSON.stringify(args.length > 0 ? { event, args } : { event }));
    ws.on('close', () => viewers.delete(ws));
    ws.on('message', (data) => {
      const { event, args = [] } = JSON.parse(data);
      if (event === 'auth') {
        send('auth success');
        if (viewers.has(ws)) return;
        viewers.set(ws, { s, user: args[0], id: String(Math.random()), since: new Date().toISOString() });
        record('server:websocket.connect', args[0], s);
        send('status', s.state);
      } else if (event === 'send stats') send('stats', JSON.stringify(stats(s)));
      else if (event === 'send logs') for (const line of s.log.slice(-150)) send('console output', line);
      else if (event === 'send command') {
        if (s.state === 'offline') send('daemon message', 'The command was not sent: the server is offline. Start it first.');
        else {
          record('server:console.command', viewers.get(ws)?.user, s, { command: args[0] });
          command(s, args[0]);
        }
      } else if (event === 'set state') power(s, args[0]);
    });
    const timer = setInterval(() => viewers.has(ws) && send('stats', JSON.stringify(stats(s))), 1000);
    ws.on('close', () => clearInterval(timer));
  });
});

http.listen(port, '127.0.0.1', () => console.log(`stub on http://127.0.0.1:${port}, any name, password "roost"`));

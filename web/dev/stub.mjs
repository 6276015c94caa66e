// A stand-in for a panel and a node, for work on the console's look only: screenshots and trying states that are hard
// to reach with a real server. It is never shipped and proves nothing about Roost; web/e2e runs against the real one.
//
//   npm run build && npm run stub          http://127.0.0.1:8099, any name, password "roost"
//
// `POST /stub/{action}` moves it: say?text=, daemon?text=, cut?code=&reason=, away?on=, limit?seconds=.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';

const port = Number(process.env.PORT ?? 8099);
const dist = join(import.meta.dirname, '..', 'dist');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const world = { user: null, admin: true, empty: false, away: false, limitUntil: 0, log: [], seq: 0 };
const server = (n, identifier, name, state, more = {}) => ({ uuid: `0000000${n}-0000-4000-8000-000000000000`, identifier, name, state, started: Date.now() - n * 4e6, ...more });
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
for (const line of opening) world.log.push(line);
for (let i = 1; i <= 40; i += 1) world.log.push(`[12:0${i % 10}:0${i % 6} INFO]: Player${i} joined the game, ${i} online`);

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  res.end(body === undefined ? '' : JSON.stringify(body));
};
const problem = (res, status, message, headers) => json(res, status, { status, message }, headers);
const permissionsOf = (s) => s.permissions ?? ['*', 'admin.websocket.errors'];
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
const viewers = new Set();
const tell = (event, ...args) => {
  for (const ws of viewers) ws.send(JSON.stringify({ event, args }));
};
function print(line) {
  world.log.push(line);
  tell('console output', line);
}
function power(s, action) {
  const go = (state) => {
    s.state = state;
    tell('status', state);
    print(`${E}[33m${E}[1m[Roost Daemon]:${E}[39m Server marked as ${state}...${E}[0m`);
  };
  if (action === 'start') {
    s.started = Date.now();
    go('starting');
    setTimeout(() => go('running'), 900);
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
      if (input.password !== 'roost') return problem(res, 401, 'Name or password is wrong.');
      world.user = input.user;
      return json(res, 200, {}, { 'set-cookie': 'session=stub; HttpOnly; Path=/' });
    }
    if (!world.user || !(req.headers.cookie ?? '').includes('session=stub')) return problem(res, 401, 'Sign in first.');
    if (path === '/api/auth/logout') {
      world.user = null;
      return json(res, 204);
    }
    if (path === '/api/auth/me') return json(res, 200, { name: world.user, uuid: 'u-1', admin: world.admin, email: null });
    if (path === '/api/client') return json(res, 200, { object: 'list', data: world.empty ? [] : servers.map(attributes), meta: { pagination: { total_pages: 1 } } });
    if (path === '/api/admin/sockets') return json(res, 200, sockets);
    if (path.startsWith('/api/admin/sockets/')) {
      sockets = sockets.filter((socket) => socket.id !== path.split('/').at(-1));
      return json(res, 204);
    }
    if (path === '/api/admin/audit') {
      const q = url.searchParams;
      const rows = audit.filter((row) => (!q.get('server') || row.server === q.get('server')) && (!q.get('user') || row.user === q.get('user')) && (!q.get('before') || row.id < Number(q.get('before'))));
      return json(res, 200, rows.slice(0, Number(q.get('lines') ?? 100)));
    }
    if (path === '/api/admin/servers') return json(res, 200, servers);
    if (path === '/api/admin/users') return json(res, 200, [{ name: 'ada' }, { name: 'grace' }]);
    const [, id, rest = ''] = /^\/api\/client\/servers\/([^/]+)\/?(.*)$/.exec(path) ?? [];
    const s = servers.find((one) => one.identifier === id || one.uuid === id);
    if (!s) return problem(res, 404, 'Server not found');
    if (rest === '') return json(res, 200, { ...attributes(s), meta: { is_server_owner: true, user_permissions: permissionsOf(s) } });
    if (rest === 'resources') {
      const { network, state, ...figures } = stats(s);
      return json(res, 200, { object: 'stats', attributes: { current_state: state, is_suspended: s.suspended === true, resources: { ...figures, network_rx_bytes: network.rx_bytes, network_tx_bytes: network.tx_bytes } } });
    }
    if (rest === 'power') {
      power(s, input.signal);
      return json(res, 204);
    }
    if (rest === 'websocket') {
      if (s.suspended) return problem(res, 409, 'This server is suspended.');
      if (s.unavailable) return json(res, 200, { unavailable: true, message: 'Server is not available on the assigned Wings node', diagnostics: { error: '404: The requested resource does not exist on this instance', serverUuid: s.uuid, serverIdentifier: s.identifier, nodeId: 'local', serverStatus: null } });
      const socket = `ws://${req.headers.host}/api/servers/${s.uuid}/ws`;
      return json(res, 200, { token: 't', socket, data: { token: 't', socket } });
    }
    return problem(res, 404, 'No such route');
  });
});

function stub(action, query, res) {
  const text = (query.get('text') ?? '').replaceAll('\\e', E).replaceAll('\\a', '\u0007');
  if (action === 'say') print(text);
  else if (action === 'quiet') world.log.push(text);
  else if (action === 'daemon') tell('daemon message', text);
  else if (action === 'event') tell(query.get('name'), ...query.getAll('arg'));
  else if (action === 'away') world.away = query.get('on') === '1';
  else if (action === 'empty') world.empty = query.get('on') === '1';
  else if (action === 'admin') world.admin = query.get('on') === '1';
  else if (action === 'limit') world.limitUntil = Date.now() + Number(query.get('seconds')) * 1000;
  else if (action === 'cut') for (const ws of viewers) ws.close(Number(query.get('code')), query.get('reason') ?? '');
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
        viewers.add(ws);
        send('status', s.state);
      } else if (event === 'send stats') send('stats', JSON.stringify(stats(s)));
      else if (event === 'send logs') for (const line of world.log.slice(-150)) send('console output', line);
      else if (event === 'send command') {
        if (s.state === 'offline') send('daemon message', 'The command was not sent: the server is offline. Start it first.');
        else print(`> ${args[0]}`);
      } else if (event === 'set state') power(s, args[0]);
    });
    const timer = setInterval(() => viewers.has(ws) && send('stats', JSON.stringify(stats(s))), 1000);
    ws.on('close', () => clearInterval(timer));
  });
});

http.listen(port, '127.0.0.1', () => console.log(`stub on http://127.0.0.1:${port}, any name, password "roost"`));

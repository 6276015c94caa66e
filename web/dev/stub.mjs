// A stand-in for a panel and a node, for work on the console's look only: screenshots and trying states that are hard
// to reach with a real server. It is never shipped and proves nothing about Roost; web/e2e runs against the real one.
//
//   npm run build && npm run stub          http://127.0.0.1:8099, any name, password "roost"
//
// It also plays along with web/e2e, so that its stories can be written before there is a Roost to run them against.
//
// It speaks `roost.v1`, and the classic protocol with whoever does not offer it (or with all, if CLASSIC=1 is set).
//
// `POST /stub/{action}` moves it: say?text=, daemon?text=, typed?user=&text=, gap?lines=&reason=, long?lines=,
// cut?code=&reason=, away?on=, limit?seconds=.
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
const server = (n, identifier, name, state, more = {}) => ({ uuid: `0000000${n}-0000-4000-8000-000000000000`, identifier, name, state, started: Date.now() - n * 4e6, log: [], floor: 0, others: [], stream: crypto.randomUUID(), reads: 0, grants: new Map(), ...more });
const servers = [
  server(1, 'lobby', 'Chat lobby', 'running', { port: 4000 }),
  server(2, 'survival', 'Survival 1.21, the old world', 'running', { others: [['grace', 2], ['linus', 1]], port: 25565, memory: 4096, network: true }),
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
  const lines = [...opening, ...Array.from({ length: 40 }, (_, i) => `[12:0${(i + 1) % 10}:0${(i + 1) % 6} INFO]: Player${i + 1} joined the game, ${i + 1} online`)];
  lines.forEach((text, i) => s.log.push({ time: s.started + i * 700, text, source: 'output' }));
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
/** Sends to all viewers of a server (or of all) what `say` makes of each dialect: an event with its arguments, or null. */
const each = (s, say) => {
  for (const [ws, viewer] of viewers) {
    const frame = (s === null || viewer.s === s) && say(ws.protocol === 'roost.v1', viewer);
    if (frame) ws.send(JSON.stringify({ event: frame[0], args: frame.slice(1) }));
  }
};
const tell = (s, event, ...args) => each(s, () => [event, ...args]);
const DAEMON = `${E}[33m${E}[1m[Roost Daemon]:${E}[39m `;
const classic = ({ source, text }) => (source === 'daemon' ? `${DAEMON}${text}${E}[0m` : text);
/** A guest's history begins at his grant. */
const floorOf = (s, who) => (users.has(who) ? s.floor : 0);
/** Lines `from` to `to` (numbers, the last one not included) as blocks of one source each. */
function blocks(s, from, to, floor) {
  const found = [];
  for (let seq = Math.max(from, floor + 1); seq < to; seq += 1) {
    const { time, text, source, gone } = s.log[seq - 1];
    if (gone) continue;
    if (found.at(-1)?.source !== source || s.log[seq - 2]?.gone) found.push({ source, seq, lines: [] });
    found.at(-1).lines.push([time, text]);
  }
  return found;
}
function search(s, { text = '', regex, case: exact, before = s.log.length + 1, most }, floor) {
  let pattern;
  try {
    pattern = new RegExp(regex ?? text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), exact ? '' : 'i');
  } catch (error) {
    return `That is no regular expression: ${error.message}.`;
  }
  const lines = [];
  let from = before;
  while (from > floor + 1 && lines.length < most) {
    from -= 1;
    const { time, text: raw, source } = s.log[from - 1];
    const plain = raw.replace(/\u001b\[[0-9;]*[A-Za-z]/g, ''); // eslint-disable-line no-control-regex
    const found = pattern.exec(plain);
    if (found) lines.push({ seq: from, time, source, text: [plain.slice(0, found.index), found[0], plain.slice(found.index + found[0].length)] });
  }
  return { from, next: before, first: floor + 1, begin: from === floor + 1, lines };
}
function print(s, text, source = 'output') {
  const line = { time: Date.now(), text, source };
  s.log.push(line);
  each(s, (v1) => (v1 ? ['lines', { source, seq: s.log.length, lines: [[line.time, text]] }] : ['console output', classic(line)]));
}
function typed(s, user, text) {
  each(s, (v1, viewer) => v1 && permissionsOf(s, viewer.user)?.some((name) => name === '*' || name === 'control.console') && ['typed', { user, text, time: Date.now() }]);
}
function tellPresence(s) {
  const users = new Map();
  for (const viewer of viewers.values()) if (viewer.s === s) users.set(viewer.user, (users.get(viewer.user) ?? 0) + 1);
  for (const [user, count] of s.others) users.set(user, count);
  const named = [...users].map(([user, sockets]) => ({ user, sockets }));
  each(s, (v1) => v1 && ['presence', { sockets: named.reduce((sum, one) => sum + one.sockets, 0), users: named }]);
}
function command(s, text) {
  s.reads += 1;
  for (const line of answer(text, s.reads)) print(s, line);
}
function power(s, action) {
  const go = (state) => {
    s.state = state;
    tell(s, 'status', state);
    print(s, `Server marked as ${state}...`, 'daemon');
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
    s.floor = s.log.length;
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
  else if (action === 'typed') typed(servers[0], query.get('user'), text);
  else if (action === 'long') for (let i = 1; i <= Number(query.get('lines')); i += 1) print(servers[0], `a long history, line ${i}`);
  else if (action === 'gap') {
    const count = Number(query.get('lines'));
    const after = servers[0].log.length;
    for (let i = 0; i < count; i += 1) servers[0].log.push({ time: 0, text: '', source: 'output', gone: true });
    each(servers[0], (v1) => v1 && ['gap', { after, count, reason: query.get('reason') }]);
  } else if (action === 'daemon') tell(null, 'daemon message', text);
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

const wss = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (!process.env.CLASSIC && offered.has('roost.v1') ? 'roost.v1' : false) });
http.on('upgrade', (req, socket, head) => {
  const s = servers.find((one) => req.url.includes(one.uuid));
  if (!s || world.away) return socket.destroy();
  wss.handleUpgrade(req, socket, head, (ws) => {
    const v1 = ws.protocol === 'roost.v1';
    const send = (event, ...args) => ws.send(JSON.stringify(args.length > 0 ? { event, args } : { event }));
    ws.on('close', () => viewers.delete(ws) && tellPresence(s));
    const refuse = (name, code, reason) => (v1 ? send('refused', name, { code, reason }) : send('daemon message', reason));
    ws.on('message', (data) => {
      const { event, args = [] } = JSON.parse(data);
      const [first, second] = args;
      if (event === 'auth') {
        if (!v1 || viewers.has(ws)) send('auth success');
        if (viewers.has(ws)) return;
        const next = s.log.length + 1;
        if (v1) send('auth success', { stream: s.stream, next, socket: 'stub' });
        send('status', s.state);
        if (v1) {
          const begin = second?.stream === s.stream && second.after < next ? second.after + 1 : next - (second?.last ?? 0);
          for (const block of blocks(s, begin, next, floorOf(s, first))) send('lines', block);
        }
        viewers.set(ws, { s, user: first, id: String(Math.random()), since: new Date().toISOString() });
        tellPresence(s);
        record('server:websocket.connect', first, s);
      } else if (event === 'send stats') send('stats', JSON.stringify(stats(s)));
      else if (event === 'send logs') for (const line of s.log.slice(Math.max(floorOf(s, viewers.get(ws)?.user), s.log.length - 150))) send('console output', classic(line));
      else if (event === 'send page') {
        const floor = floorOf(s, viewers.get(ws)?.user);
        const end = s.log.length + 1;
        const from = Math.max(floor + 1, 'after' in first ? first.after + 1 : first.before - first.lines);
        const next = Math.min(end, 'after' in first ? from + first.lines : first.before);
        const page = { from, next, begin: from === floor + 1, end: next === end, gap: null, blocks: blocks(s, from, next, floor) };
        setTimeout(() => send("page", second, page), Number(process.env.PAGE_MS ?? 400));
      } else if (event === 'send search' && v1) {
        const answer = search(s, first, floorOf(s, viewers.get(ws)?.user));
        setTimeout(() => (typeof answer === 'string' ? refuse(second, 'pattern', answer) : send('found', second, answer)), Number(process.env.PAGE_MS ?? 400));
      } else if (event === 'send command') {
        if (s.state === 'offline') refuse(second, 'offline', 'The server is offline. Start it first.');
        else {
          if (v1) send('accepted', second, { after: s.log.length });
          typed(s, viewers.get(ws)?.user, first);
          record('server:console.command', viewers.get(ws)?.user, s, { command: first });
          command(s, first);
        }
      } else if (event === 'set state') {
        if (v1) send('accepted', second, { after: s.log.length });
        power(s, first);
      }
    });
    const timer = setInterval(() => viewers.has(ws) && send('stats', JSON.stringify(stats(s))), 1000);
    ws.on('close', () => clearInterval(timer));
  });
});

http.listen(port, '127.0.0.1', () => console.log(`stub on http://127.0.0.1:${port}, any name, password "roost"`));

// What the stories are told in: an administrator, two servers and two guests, made through the panel's own API and
// removed at the end.
import { existsSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Failure, until, Viewer } from './harness.mjs';

/** A program with a terminal: it says hello, answers a few words, and tells all that it reads. */
const PROGRAM = String.raw`
printf 'e2e: hello\n'
n=0
while IFS= read -r line; do
  n=$((n + 1))
  printf 'read %s: <%s>\n' "$n" "$line"
  case "$line" in
    help) printf 'words: help, colours, hostile, count FROM TO, stop\n' ;;
    colours) printf '\033[31mred\033[0m \033[1mbold\033[0m \346\227\245\346\234\254 10%%\rdone\n' ;;
    flow*) set -- $line; i=$2; while [ "$i" -le "$3" ]; do printf 'number %s.\n' "$i"; i=$((i + 1)); sleep 0.01; done ;;
    count*) set -- $line; i=$2; while [ "$i" -le "$3" ]; do printf 'number %s.\n' "$i"; i=$((i + 1)); done ;;
    hostile)
      printf 'before\033]0;owned\007\033]2;owned\007\033]52;c;b3duZWQ=\007\033]8;;javascript:alert(1)\007link\033]8;;\007\n'
      printf 'queries\033[6n\033[5n\033[c\033[>c\033[=c\033Z\033[18t\033[21t\033P$qm\033\\\033]10;?\007\n'
      printf 'forged\033[2J\033[H\033[1;1Hovertop\033[5A\033[99D\033[?1049h\033[?1000h\033[?2004h\033[?25l\n'
      printf '<img src=x onerror="document.title=String(1)"><script>document.title=2</script>\n'
      printf 'single\302\2332Jcharacters\302\235 0;owned\007\302\234\n'
      printf 'after\033c\033[!p the storm\n' ;;
    crash) exit 3 ;;
    stop) exit 0 ;;
  esac
done
`;

export class World {
  static async make(browser, { base, user, password }) {
    const world = new World(browser, base);
    world.admin = { user, password };
    const stamp = Date.now().toString(36);
    world.server = `e2e-console-${stamp}`;
    world.other = `e2e-quiet-${stamp}`;
    world.watcher = { user: `e2e-watcher-${stamp}`, password: `w-${stamp}-secret` };
    world.pusher = { user: `e2e-pusher-${stamp}`, password: `p-${stamp}-secret` };

    const context = await browser.newContext({ baseURL: base });
    world.api = context.request;
    const answer = await world.api.post('/api/auth/login', { data: { user, password }, headers: { origin: base } });
    if (!answer.ok()) throw new Failure(`${base} does not sign ${user} in: ${answer.status()} ${await answer.text()}`);
    const settings = { command: ['/bin/sh', '-c', PROGRAM], stop: 'stop', stop_timeout: 10, restart: 'never' };
    await world.call('post', '/api/admin/servers', { name: world.server, identifier: world.server, settings, start: true });
    await world.call('post', '/api/admin/servers', { name: 'A quiet server', identifier: world.other, settings });
    for (const guest of [world.watcher, world.pusher]) await world.call('post', '/api/admin/users', { name: guest.user, password: guest.password });
    await until('the server of the stories runs', async () => (await world.stateOf(world.server)) === 'running', 20);
    // Said before the grants: a subuser must not see it.
    await world.call('post', `/api/client/servers/${world.server}/command`, { command: 'count 111111 111111' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await world.call('put', `/api/admin/servers/${world.server}/grants/${world.watcher.user}`, { permissions: ['websocket.connect'] });
    await world.call('put', `/api/admin/servers/${world.other}/grants/${world.pusher.user}`, { permissions: ['control.start', 'control.stop'] });
    return world;
  }

  constructor(browser, base) {
    this.browser = browser;
    this.base = base;
    this.viewers = [];
  }

  async call(method, path, data) {
    const answer = await this.api[method](path, { data, headers: { origin: this.base } });
    if (!answer.ok()) throw new Failure(`${method.toUpperCase()} ${path} was answered with ${answer.status()}: ${await answer.text()}`);
    const text = await answer.text();
    return text === '' ? null : JSON.parse(text);
  }

  async stateOf(id) {
    return (await this.call('get', `/api/client/servers/${id}/resources`)).attributes.current_state;
  }

  /** Brings the server of the stories up, whatever the story before left. */
  async running() {
    if ((await this.stateOf(this.server)) === 'offline') await this.call('post', `/api/client/servers/${this.server}/power`, { signal: 'start' });
    await until('the server of the stories runs', async () => (await this.stateOf(this.server)) === 'running', 20);
  }

  /** A browser window of its own; with `who`, signed in. */
  async viewer({ who = this.admin, narrow = false, dark = false } = {}) {
    const context = await this.browser.newContext({ viewport: narrow ? { width: 320, height: 640 } : { width: 1280, height: 800 }, colorScheme: dark ? 'dark' : 'light' });
    if (process.env.DIST) await context.route((url) => url.origin === this.base && !url.pathname.startsWith('/api/'), (route) => route.fulfill({ path: this.asset(new URL(route.request().url()).pathname) }));
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: this.base });
    const viewer = new Viewer(await context.newPage(), this.base);
    this.viewers.push(viewer);
    if (who) await viewer.signIn(who.user, who.password);
    return viewer;
  }

  /** With DIST=FOLDER the page is the one in that folder, not the one in the binary. */
  asset(path) {
    const file = join(process.env.DIST, path);
    return path !== '/' && existsSync(file) ? file : join(process.env.DIST, 'index.html');
  }

  /** Whether Roost can be killed and started again: whoever runs the stories has to offer that. */
  get hasSwitch() {
    return Boolean(process.env.ROOST_SWITCH);
  }

  /** `kill` (SIGKILL) or `up`; waits until it is done. */
  async turn(word) {
    const [host, port] = process.env.ROOST_SWITCH.split(':');
    const answer = await new Promise((resolve, reject) => {
      const socket = connect(Number(port), host, () => socket.write(`${word}\n`));
      let text = '';
      socket.on('data', (data) => (text += data));
      socket.on('end', () => resolve(text.trim()));
      socket.on('error', reject);
    });
    if (answer !== 'done') throw new Failure(`Roost could not be switched (${word}): ${answer}`);
  }

  async tell(story) {
    await story(this);
    const errors = this.viewers.flatMap((viewer) => viewer.errors);
    if (errors.length > 0) throw new Failure(`The page reported errors: ${errors.join('; ')}`);
  }

  async leave() {
    for (const viewer of this.viewers) await viewer.page.context().close();
    this.viewers = [];
  }

  async picture(name) {
    const folder = process.env.SHOTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    for (const [i, viewer] of this.viewers.entries()) await viewer.page.screenshot({ path: `${folder}/${name.replace(/\W+/g, '-')}-${i}.png` }).catch(() => undefined);
  }

  async unmake() {
    for (const id of [this.server, this.other]) await this.call('delete', `/api/admin/servers/${id}`).catch((error) => console.error(`Left behind: server ${id} (${error.message})`));
    for (const guest of [this.watcher, this.pusher]) await this.call('delete', `/api/admin/users/${guest.user}`).catch((error) => console.error(`Left behind: user ${guest.user} (${error.message})`));
  }
}

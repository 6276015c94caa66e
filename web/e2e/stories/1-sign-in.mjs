import { check, until } from '../harness.mjs';

export const stories = {
  'a wrong password is refused in words, the right one leads where one wanted to go': async (world) => {
    const viewer = await world.viewer({ who: null });
    await viewer.page.goto(`${world.base}/server/${world.server}`);
    await viewer.page.fill('#user', world.admin.user);
    await viewer.page.fill('#password', 'not the password');
    await viewer.page.click('button[type=submit]');
    await until('the form says why', async () => (await viewer.page.locator('#trouble').innerText()) !== '');
    check((await viewer.page.inputValue('#password')) === '', 'The wrong password was left in the field.');
    // One failure may already ask for a pause.
    await until('the button can be pressed', async () => (await viewer.page.getAttribute('button[type=submit]', 'aria-disabled')) === null, 60);
    await viewer.page.fill('#password', world.admin.password);
    await viewer.page.press('#password', 'Enter');
    await viewer.live();
    check(new URL(viewer.page.url()).pathname === `/server/${world.server}`, 'After signing in, the page is another one than was asked for.');
  },

  'signing out ends the session in this browser': async (world) => {
    const viewer = await world.viewer();
    await viewer.page.getByRole('button', { name: 'Sign out' }).click();
    await viewer.page.locator('#password').waitFor();
    const status = await viewer.page.evaluate(() => fetch('/api/auth/me').then((answer) => answer.status));
    check(status === 401, `After signing out, /api/auth/me still answers ${status}.`);
  },

  'the list shows servers with their state, and finds them': async (world) => {
    const viewer = await world.viewer();
    const row = viewer.page.locator(`a[href="/server/${world.server}"]`);
    await until('the server stands in the list as running', async () => (await row.count()) === 1 && (await row.innerText()).includes('running'));
    await until('the other one as offline', async () => (await viewer.page.locator(`a[href="/server/${world.other}"]`).innerText()).includes('offline'));
    await viewer.page.fill('#find', world.other);
    await until('only the one looked for is left', async () => (await viewer.page.locator('a.row').count()) === 1);
    await viewer.page.fill('#find', 'no such thing');
    await viewer.page.getByText('No server fits').waitFor();
    await viewer.page.fill('#find', '');
    await row.click();
    await viewer.live();
    await until('the focus is on the new page’s heading', () => viewer.page.evaluate(() => document.activeElement?.tagName === 'H1'), 3);
    await viewer.page.goBack();
    await viewer.page.locator('#find').waitFor();
  },

  'a person without servers reads how to get one': async (world) => {
    const guest = { user: `e2e-nobody-${Date.now().toString(36)}`, password: 'nobody-has-a-server' };
    await world.call('post', '/api/admin/users', { name: guest.user, password: guest.password });
    try {
      const viewer = await world.viewer({ who: guest });
      await viewer.page.getByText('roost server create').waitFor();
      check((await viewer.page.getByRole('link', { name: 'Audit' }).count()) === 0, 'Somebody who is no administrator is offered the audit.');
    } finally {
      await world.call('delete', `/api/admin/users/${guest.user}`);
    }
  },
};

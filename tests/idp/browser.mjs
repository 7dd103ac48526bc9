// Chromium, driven by lines of JSON on standard input; each is answered by a line of JSON.
//
// Usage: node browser.mjs PROGRAM PROFILE. A command is {"tab": "a", "do": "open" | "fill" | "click" | "look", …};
// the answer is what the tab shows then: {"url", "title", "text", "status"}, or {"error"}.

import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

const [program, profile] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: program,
  headless: true,
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'],
});
context.setDefaultTimeout(15_000);
const tabs = new Map();

async function tab(name) {
  if (!tabs.has(name)) tabs.set(name, { page: await context.newPage(), status: null });
  return tabs.get(name);
}

async function act({ tab: name, do: what, url, field, value, label }) {
  const at = await tab(name);
  const { page } = at;
  const arrived = (response) => {
    at.status = response?.status() ?? at.status;
  };
  if (what === 'open') arrived(await page.goto(url));
  if (what === 'fill') await page.locator(`[name="${field}"]`).fill(value);
  if (what === 'click') {
    const target = page.getByRole('button', { name: label }).or(page.getByRole('link', { name: label })).first();
    const documents = [];
    const note = (response) => {
      if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) documents.push(response);
    };
    page.on('response', note);
    await target.click();
    await page.waitForLoadState('load');
    page.off('response', note);
    arrived(documents.at(-1));
  }
  if (what === 'cookies') return { cookies: await context.cookies() };
  if (what === 'storage') return { storage: await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])) };
  if (what === 'reveal') await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
  return { url: page.url(), title: await page.title(), text: await page.locator('body').innerText(), html: await page.content(), status: at.status };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await act(JSON.parse(line));
  } catch (error) {
    answer = { error: `${error.message}` };
  }
  console.log(JSON.stringify(answer));
}
await context.close();

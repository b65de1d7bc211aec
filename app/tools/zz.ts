import { execSync } from 'node:child_process';
import { launchChromium, launchOptions } from './chromium.ts';
export default async function zz() {
  const [a, b] = await Promise.all([launchOptions(), launchOptions()]);
  console.log('one folder:', a.executablePath === b.executablePath, a.executablePath, a.env?.['LD_LIBRARY_PATH']);
  const browser = await launchChromium();
  console.log(execSync(`for p in $(pgrep -f ${a.executablePath}); do grep -h "libnss3\\|libnspr" /proc/$p/maps | awk '{print $6}'; done | sort | uniq -c`).toString());
  await browser.close();
  for (const k of ['LD_LIBRARY_PATH','FONTCONFIG_PATH','TMPDIR','AWS_LAMBDA_JS_RUNTIME']) console.log('process', k, process.env[k]);
}

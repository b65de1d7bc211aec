// Makes the built page available offline, if the browser allows it.

/** Registers the service worker. A failure is not an error: the page then needs the network. */
export async function registerOffline(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  try {
    await navigator.serviceWorker.register('./service-worker.js');
  } catch {
    // Private windows and some settings disallow it.
  }
}

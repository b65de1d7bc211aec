// Keeps the page for when there is no network: in built pages, where the browser allows it.

/** Registers the service worker. That it cannot be had is no error: the page then wants the network, as most do. */
export async function registerOffline(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  try {
    await navigator.serviceWorker.register('./service-worker.js');
  } catch {
    // Private windows and some settings refuse it.
  }
}

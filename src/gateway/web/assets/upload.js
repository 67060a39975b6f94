// Bringing bytes to the server by HTTP. `fetch` does not tell how far an upload is.

import { Lost, Refusal } from './link.js';

/** `signal` ends it, with its reason. */
function put(path, token, body, progress = () => {}, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', path);
    request.setRequestHeader('Authorization', `Bearer ${token}`);
    request.responseType = 'json';
    signal?.addEventListener('abort', () => request.abort());
    request.upload.addEventListener('progress', ({ loaded, total }) => progress(total ? loaded / total : 0));
    request.addEventListener('load', () => {
      if (request.status === 200) resolve(request.response);
      else if (request.status === 401) reject(new Lost('the connection that this belonged to is gone'));
      else reject(new Refusal(request.response?.error ?? 'failed', request.response?.text ?? `the server answered ${request.status}`));
    });
    request.addEventListener('error', () => reject(new Lost('the server is away')));
    request.addEventListener('abort', () => reject(signal.reason));
    request.send(body);
  });
}

/** The kept file: `{ name, size, hash }`. */
export async function upload(file, token, progress, signal) {
  const { name, size, hash } = await put(`/files/${encodeURIComponent(file.name)}`, token, file, progress, signal);
  return { name, size, hash };
}

/** Kept for this name; nothing to clear it. */
export async function putAvatar(blob, token) {
  return put('/avatar', token, blob ?? new Blob([]));
}

export const fileUrl = ({ hash, name }) => `/files/${hash}?name=${encodeURIComponent(name)}`;
export const thumbnailUrl = ({ hash }) => `/thumbnails/${hash}`;
export const avatarUrl = (hash) => `/avatars/${hash}`;

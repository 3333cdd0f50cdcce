// Requests to the service.

/** A failure of a request. Its status is 0 if the service was not reached. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(method, path, body) {
  let response;
  try {
    response = await fetch(`/api${path}`, {
      method,
      headers: body ? { "content-type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "The chat's program cannot be reached; is it running?");
  }
  if (response.status === 204) return null;
  const json = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(response.status, json?.error ?? `The request failed (${response.status}).`);
  }
  return json;
}

const session = (id) => `/sessions/${encodeURIComponent(id)}`;

const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const about = () => request("GET", "/about");
export const sessions = (search, after) => request("GET", `/sessions${query({ search, after })}`);
export const rename = (id, title) => request("PATCH", session(id), { title });
export const remove = (id) => request("DELETE", session(id));
export const turns = (id, before) => request("GET", `${session(id)}/turns${query({ before })}`);
export const ask = (id, question) => request("POST", `${session(id)}/turns`, question);
export const stop = (id, turn) => request("POST", `${session(id)}/stop`, { turn });
export const save = (id) => request("POST", `${session(id)}/save`);
export const setTip = (id, after) => request("POST", `${session(id)}/tip`, { after });
export const events = (id, last) => `/api${session(id)}/events${query({ last })}`;

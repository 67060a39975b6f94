// What the page keeps in the browser. A browser that forbids it, or is full, costs only that.

function shelf(storage) {
  return {
    get(key, otherwise = null) {
      try {
        return JSON.parse(storage().getItem(`crds.${key}`)) ?? otherwise;
      } catch {
        return otherwise;
      }
    },
    set(key, value) {
      try {
        if (value === null || value === undefined) storage().removeItem(`crds.${key}`);
        else storage().setItem(`crds.${key}`, JSON.stringify(value));
      } catch {
        // Kept only as long as the page is open, then.
      }
    },
  };
}

/** For this browser: name, drafts, what was read. */
export const browser = shelf(() => localStorage);

/** For this tab, across a reload: who I am there, what is not sent yet, private talk. */
export const tab = shelf(() => sessionStorage);

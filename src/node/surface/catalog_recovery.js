// What LibreChat's catalog recovery remembers between requests (`MCPServerCatalogRecoveryTracker`,
// `packages/api/src/mcp/catalog/recovery.ts`): which discoveries are under way, which have failed lately, and which of
// those that nobody waits for any more still run. LibreChat's `loadMCPServerCatalogs` discovers servers through `run`.
// Evaluates to a function of the limits and of one that warns.
(maxStates, maxDetached, warn) => {
  const PROFILES = ['standard', 'apps'];

  /** What is known of a user, a server and a profile; those used last come last. */
  const states = new Map();

  /** By key: what the discoveries were begun under that run on alone. */
  const detached = new Map();
  let running = 0;

  const keyOf = (userId, serverName, profile) => JSON.stringify([userId, serverName, profile ?? PROFILES[0]]);

  const nothing = ({ serverName }) => ({ serverName, tools: null });

  /** What a discovery is about: the same again is not tried before its time. */
  const subject = (user, candidate, policy) => ({
    key: keyOf(user.id, candidate.serverName, candidate.capabilityProfile),
    made: JSON.stringify([candidate.serverConfig, policy, candidate.capabilityProfile ?? PROFILES[0]]),
  });

  /** Where the generation is not known, any other counts as the same. */
  const isSame = (state, made, generation) =>
    state.made === made && (generation == null || state.generation === generation);

  const isHeld = (key, made, generation) =>
    running >= maxDetached || [...(detached.get(key) ?? [])].some((state) => isSame(state, made, generation));

  const detach = (key, state, discovery) => {
    // Made before anything is counted: what is no promise is over at once, and what was counted is given back once.
    const ended = Promise.resolve(discovery);
    const others = detached.get(key) ?? new Set();
    detached.set(key, others.add(state));
    running += 1;
    if (running === maxDetached) warn();
    const over = () => {
      running -= 1;
      others.delete(state);
      if (others.size === 0 && detached.get(key) === others) detached.delete(key);
    };
    ended.then(over, over);
  };

  const touch = (key, state) => {
    states.delete(key);
    states.set(key, state);
  };

  /** Discoveries under way are nobody's to forget. */
  const trim = () => {
    for (const [key, { flight }] of states) {
      if (states.size <= maxStates) return;
      if (!flight) states.delete(key);
    }
  };

  /**
   * Generations have no order. A discovery under way that knows its own, or publishes one, may be as new as the one that
   * a clear tells of, so it goes on, and compares when it is done.
   */
  const forget = (key, generation) => {
    const state = states.get(key);
    const mayBeAsNew = state?.flight && (state.generation != null || state.publishing);
    if (generation != null && mayBeAsNew) state.cleared.push(generation);
    else states.delete(key);
  };

  /** What the next request is told, and when the server is asked again. */
  const remember = (state, outcome, policy) => {
    const now = Date.now();
    if (outcome.state === 'reauth_required') {
      state.failures = 0;
      state.retryAt = now + policy.reauthRetryMs;
      // The decision alone: tools that were listed without authorization are those of one request.
      state.outcome = { ...outcome, tools: null };
      return true;
    }
    if (outcome.state !== 'backoff') return false;
    const delays = policy.discoveryBackoffMs;
    state.retryAt = now + delays[Math.min(state.failures, delays.length - 1)];
    state.failures += 1;
    state.outcome = outcome;
    return true;
  };

  const fly = async (key, state, candidate, policy, discover) => {
    const isCurrent = () => states.get(key) === state;
    let isOver = false;
    let adopted = false;
    /** Credentials that the discovery itself refreshes are published under a new generation, which it goes on under. */
    const publish = async (publication) => {
      if (isOver || state.publishing || !isCurrent()) return publication();
      state.publishing = true;
      try {
        const generation = await publication();
        if (generation != null && !isOver && isCurrent()) {
          state.generation = generation;
          adopted = true;
        }
        return generation;
      } finally {
        state.publishing = false;
      }
    };
    const release = (discovery) => detach(key, { made: state.made, generation: state.generation }, discovery);
    try {
      let outcome;
      try {
        outcome = await discover(publish, release);
      } finally {
        isOver = true;
      }
      if (!isCurrent()) return nothing(candidate);
      const unconfirmed = state.cleared.some((generation) => generation !== state.generation);
      if (unconfirmed && state.generation == null) {
        states.delete(key);
        return nothing(candidate);
      }
      touch(key, state);
      outcome = { ...outcome, recoveryGeneration: state.generation };
      if (unconfirmed || !remember(state, outcome, policy)) states.delete(key);
      return { ...outcome, ...(adopted && { adopted }), ...(unconfirmed && { unconfirmed }) };
    } finally {
      state.flight = undefined;
      trim();
    }
  };

  return {
    run(user, candidate, policy, generation, discover) {
      const { key, made } = subject(user, candidate, policy);
      const known = states.get(key);
      const joins = known?.flight && known.made === made && known.publishing;
      const isKnown = known && (joins || isSame(known, made, generation));
      const held = isHeld(key, made, generation);
      if (isKnown) {
        touch(key, known);
        if (known.flight) return known.flight;
        if (known.outcome && (held || known.retryAt > Date.now())) return Promise.resolve(known.outcome);
      }
      if (held) return Promise.resolve(nothing(candidate));
      const state = {
        made,
        generation: generation ?? (isKnown ? known.generation : undefined),
        failures: isKnown ? known.failures : 0,
        cleared: [],
      };
      states.set(key, state);
      // Whoever asks meanwhile finds the state before the discovery begins.
      state.flight = Promise.resolve().then(() => fly(key, state, candidate, policy, discover));
      trim();
      return state.flight;
    },
    admitsDiscovery(user, candidate, policy) {
      const { key, made } = subject(user, candidate, policy);
      return !isHeld(key, made);
    },
    detachDiscovery(user, candidate, policy, discovery) {
      const { key, made } = subject(user, candidate, policy);
      detach(key, { made }, discovery);
    },
    clear(userId, serverName, generation, profile) {
      if (serverName != null) {
        for (const one of profile == null ? PROFILES : [profile]) forget(keyOf(userId, serverName, one), generation);
        return;
      }
      const start = `${JSON.stringify([userId]).slice(0, -1)},`;
      for (const key of states.keys()) if (key.startsWith(start)) forget(key, generation);
    },
  };
};

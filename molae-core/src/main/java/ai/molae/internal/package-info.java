/** Helpers of molae-core itself; not part of its API and free to change. */
package ai.molae.internal;

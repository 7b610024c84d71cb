/** A benchmark needs packages that the project does not install by itself; the message names the command. */
export class NotInstalled extends Error {}

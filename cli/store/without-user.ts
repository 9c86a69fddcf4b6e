/**
 * Takes user names and passwords out of URLs, for printing: `http://10.0.0.5:2379` of `http://ana:secret@10.0.0.5:2379`.
 * @param text a URL, several separated by commas, or a message that has some
 */
export function withoutUser(text: string): string {
  return text.replace(/(\w+:\/\/)?(?:(?!,\w+:\/\/)[^\s(])*@/g, (_, scheme: string | undefined) => scheme ?? "");
}

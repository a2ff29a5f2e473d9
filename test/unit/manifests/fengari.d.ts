/** The part of fengari (Lua 5.3 in JavaScript) that the tests of Lua scripts use; the package brings no types. */
declare module 'fengari' {
  type State = { readonly lua: unique symbol };
  export const lua: { lua_tostring(state: State, index: number): Uint8Array };
  export const lauxlib: {
    luaL_newstate(): State;
    luaL_dostring(state: State, program: Uint8Array): boolean;
  };
  export const lualib: { luaL_openlibs(state: State): void };
  export function to_luastring(text: string): Uint8Array;
  export function to_jsstring(text: Uint8Array): string;
}

/** The version that the build wrote in. */
declare const VIREO_VERSION: string | undefined;

export const version = typeof VIREO_VERSION === 'undefined' ? '0.0.0-dev' : VIREO_VERSION;

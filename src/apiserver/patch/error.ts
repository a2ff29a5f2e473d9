/** The one error of the patch room: the request's patch could not be applied to the object. */

/**
 * 400: the patch itself is malformed; 422: well formed, but it does not fit this object; 409: it lost a race.
 * The message is fit for a metav1.Status.
 */
export class PatchError extends Error {
  readonly code: 400 | 409 | 422;

  constructor(code: 400 | 409 | 422, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'PatchError';
    this.code = code;
  }
}

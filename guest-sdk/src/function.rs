//! Authors' functions, with and without parameters in front.

/// A function without parameters.
pub struct Plain<F>(pub F);

/// A function that takes its node's parameters first.
pub struct With<F>(pub F);

/// A function of the arguments `A` (a tuple), called with the parameters `P`. What it returns may borrow from both.
#[diagnostic::on_unimplemented(
    message = "this function does not fit the operator's kind",
    note = "a function whose operator names parameters takes a reference to them first"
)]
pub trait Function<'a, P, A> {
    /// What it returns.
    type Returned;

    /// Calls it.
    fn call(&self, params: &'a P, arguments: A) -> Self::Returned;
}

impl<'a, A, R, F: Fn(A) -> R> Function<'a, (), (A,)> for Plain<F> {
    type Returned = R;

    #[inline]
    fn call(&self, (): &'a (), (a,): (A,)) -> R {
        (self.0)(a)
    }
}

impl<'a, A, B, R, F: Fn(A, B) -> R> Function<'a, (), (A, B)> for Plain<F> {
    type Returned = R;

    #[inline]
    fn call(&self, (): &'a (), (a, b): (A, B)) -> R {
        (self.0)(a, b)
    }
}

impl<'a, P: 'a, A, R, F: Fn(&'a P, A) -> R> Function<'a, P, (A,)> for With<F> {
    type Returned = R;

    #[inline]
    fn call(&self, params: &'a P, (a,): (A,)) -> R {
        (self.0)(params, a)
    }
}

impl<'a, P: 'a, A, B, R, F: Fn(&'a P, A, B) -> R> Function<'a, P, (A, B)> for With<F> {
    type Returned = R;

    #[inline]
    fn call(&self, params: &'a P, (a, b): (A, B)) -> R {
        (self.0)(params, a, b)
    }
}

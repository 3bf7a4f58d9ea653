//! Paths and method calls in the tokens of macros and attributes, read without a grammar.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// What was found in tokens.
pub(crate) enum Found {
    /// `a::b`, or a name alone that begins with a capital or is called.
    Path(Vec<String>, Span),
    /// `.method(arguments)`.
    Call { method: String, is_on_self: bool, has_arguments: bool, span: Span },
}

/// All paths and calls in a stream, also within its groups.
pub(crate) fn found(stream: &TokenStream) -> Vec<Found> {
    let tokens: Vec<_> = stream.clone().into_iter().collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => all.extend(found(&group.stream())),
            TokenTree::Ident(first) => {
                let mut path = vec![first.to_string()];
                let start = at;
                while is_punct(&tokens, at + 1, ':')
                    && is_punct(&tokens, at + 2, ':')
                    && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                {
                    path.push(next.to_string());
                    at += 3;
                }
                let arguments = tokens.get(at + 1).and_then(parenthesised);
                if start > 0 && is_punct(&tokens, start - 1, '.') && !is_range(&tokens, start) {
                    if let Some(arguments) = arguments {
                        all.push(Found::Call {
                            method: path.remove(0),
                            is_on_self: is_self(&tokens, start),
                            has_arguments: !arguments.stream().is_empty(),
                            span: first.span(),
                        });
                    }
                } else if path.len() > 1
                    || path[0].starts_with(char::is_uppercase)
                    || arguments.is_some()
                    || is_punct(&tokens, at + 1, '!')
                {
                    all.push(Found::Path(path, first.span()));
                }
            }
            _ => {}
        }
        at += 1;
    }
    all
}

fn is_punct(tokens: &[TokenTree], at: usize, c: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

/// Whether the dot before `at` is the end of `..` or `..=`.
fn is_range(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && is_punct(tokens, at - 2, '.')
}

/// Whether `self.` stands before `at`.
fn is_self(tokens: &[TokenTree], at: usize) -> bool {
    at > 1
        && matches!(&tokens[at - 2], TokenTree::Ident(receiver) if receiver == "self")
        && !(at > 2 && is_punct(tokens, at - 3, '.'))
}

fn parenthesised(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    }
}

/// Calls `each` with every string in a stream.
pub(crate) fn texts(stream: &TokenStream, each: &mut impl FnMut(&str, Span)) {
    for token in stream.clone() {
        match token {
            TokenTree::Group(group) => texts(&group.stream(), each),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    each(&text.value(), literal.span());
                }
            }
            _ => {}
        }
    }
}

/// Whether the condition of a `cfg` holds in the build of unit tests only: `test` or `all(test, ..)`.
pub(crate) fn asks_for_test(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(all)] if name == "all" => {
            let conditions: Vec<_> = all.stream().into_iter().collect();
            conditions
                .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                .any(|condition| asks_for_test(condition.iter().cloned().collect()))
        }
        _ => false,
    }
}

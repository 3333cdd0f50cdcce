//! Choosing the next token.

use fastrand::Rng;

use crate::settings::Sampling;

/// Chooses tokens by their scores.
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    random: Rng,
}

impl Sampler {
    /// Each call of the model has its own sampler, so that the same call with a seed gives the same
    /// answer.
    pub(crate) fn new(sampling: &Sampling) -> Self {
        let random = sampling.seed.map_or_else(Rng::new, Rng::with_seed);
        Self { temperature: sampling.temperature, top_p: sampling.top_p, random }
    }

    /// Returns the index of the token, or `None` if there are no scores.
    pub(crate) fn choose(&mut self, scores: &[f32]) -> Option<u32> {
        let best = (0..).zip(scores).max_by(|(_, a), (_, b)| a.total_cmp(b));
        let (best, max) = best?;
        if self.temperature == 0.0 {
            return Some(best);
        }
        let weight = |score: f32| ((score - max) / self.temperature).exp();
        let mut weights: Vec<(u32, f32)> =
            (0..).zip(scores).map(|(token, score)| (token, weight(*score))).collect();
        let mut sum: f32 = weights.iter().map(|(_, weight)| weight).sum();
        if self.top_p < 1.0 {
            sum = keep_nucleus(&mut weights, sum * self.top_p);
        }
        let mut left = self.random.f32() * sum;
        let chosen = weights.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a rest after the last one.
        Some(chosen.map_or(best, |(token, _)| *token))
    }
}

/// Keeps the heaviest tokens that together reach a weight, and returns their weight.
fn keep_nucleus(weights: &mut Vec<(u32, f32)>, wanted: f32) -> f32 {
    weights.sort_unstable_by(|(a, left), (b, right)| right.total_cmp(left).then(a.cmp(b)));
    let mut sum = 0.0;
    let mut kept = 0;
    for (_, weight) in &*weights {
        kept += 1;
        sum += weight;
        if sum >= wanted {
            break;
        }
    }
    weights.truncate(kept);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(temperature: f32, top_p: f32, seed: u64) -> Vec<u32> {
        let mut sampler = Sampler::new(&Sampling { temperature, top_p, seed: Some(seed) });
        let scores = [1.0, 3.0, 2.0, -4.0];
        (0..200).filter_map(|_| sampler.choose(&scores)).collect()
    }

    #[test]
    fn temperature_zero_takes_the_best() {
        assert!(drawn(0.0, 1.0, 1).iter().all(|token| *token == 1));
    }

    #[test]
    fn a_seed_repeats_the_choices() {
        assert_eq!(drawn(0.9, 1.0, 7), drawn(0.9, 1.0, 7));
        assert_ne!(drawn(0.9, 1.0, 7), drawn(0.9, 1.0, 8));
    }

    #[test]
    fn top_p_leaves_out_the_tail() {
        // The shares are 9 %, 67 %, 24 % and below 0.1 %.
        let share = |tokens: &[u32], token| tokens.iter().filter(|t| **t == token).count();
        assert_eq!(share(&drawn(1.0, 0.5, 3), 1), 200);
        let two = drawn(1.0, 0.8, 3);
        assert_eq!(share(&two, 1) + share(&two, 2), 200);
        assert!(share(&two, 2) > 20);
        assert!(share(&drawn(1.0, 1.0, 3), 0) > 5);
    }

    #[test]
    fn no_scores_give_no_token() {
        let sampling = Sampling { temperature: 0.0, top_p: 1.0, seed: None };
        assert_eq!(Sampler::new(&sampling).choose(&[]), None);
    }
}

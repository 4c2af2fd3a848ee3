//! Every file of `fuzz/corpus` through its decoder: whole, cut at each byte, and byte by byte.
//!
//! What a fuzzer finds is committed there as a file, and stays found.

use std::fs;
use std::path::Path;

use ringlane::fuzzing::{Cuts, DECODERS, split};

#[test]
fn every_file_of_the_corpus_gives_one_answer_however_it_is_cut() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for &(name, check) in DECODERS {
        let files = fs::read_dir(corpus.join(name)).unwrap_or_else(|error| {
            panic!("the decoder {name} has no corpus: {error}");
        });
        let mut file_count = 0;
        for file in files {
            let data = fs::read(file.unwrap().path()).unwrap();
            let (lengths, input) = split(&data);
            check(input, Cuts::Lengths(lengths));
            check(input, Cuts::EachByte);
            (0..=input.len()).for_each(|at| check(input, Cuts::At(at)));
            file_count += 1;
        }
        assert!(file_count > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn every_decoder_has_a_fuzz_target_and_every_target_a_decoder() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in DECODERS {
        let target = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("ringlane::fuzzing::{name}(")), "{target}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is in no manifest");
    }
    let targets = fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
    assert_eq!(targets, DECODERS.len());
}

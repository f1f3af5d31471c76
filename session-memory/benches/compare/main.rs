//! What the store costs, beside a bare map and two stores that people use instead. Prints tables; takes some minutes.

#![expect(clippy::print_stdout, reason = "the tables are what it is run for")]
#![expect(clippy::cast_precision_loss, reason = "figures are printed with three digits")]

mod bytes;
mod contenders;
mod figures;
mod journal;
mod speed;
mod sweep;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["journal", "--bench"] => journal::cost(),
        ["bytes", contender, shape] => bytes::measure(contender, shape),
        _ if arguments.iter().any(|argument| argument == "--bench") => {
            bytes::compare();
            speed::compare();
            sweep::cost();
            sweep::pauses();
            journal::cost();
        }
        _ => println!("run me with `cargo bench`"),
    }
}

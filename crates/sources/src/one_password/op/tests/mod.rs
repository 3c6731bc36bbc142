mod run;
mod texts;
